#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "golden.h"
#include "towers.h"

namespace sterna::models {

/// Runs the towers of a folder's model on a golden file's inputs.
class Runner {
 public:
  Runner(const FolderModel& model, const Golden& golden, Session& session, quant::Isa isa)
      : model_(model), golden_(golden), session_(session), isa_(isa) {}

  /// The output of that name; throws if this model has no such output.
  Found run(const std::string& output);
  /// Outputs that this model has of any inputs that fit it, hidden states apart.
  std::vector<std::string> outputs() const;

 private:
  struct Tower {
    Found tokens, pooled, embedding;
  };

  const Tower& vision(bool one_frame);
  const Tower& text(std::string_view ids, std::string_view mask);
  Found see(bool one_frame, size_t depth);
  Found read(const TextBatch& batch, size_t depth);
  Found levels();
  Found predicted();
  Found predicted_patches();
  Found hidden(size_t depth);

  const FolderModel& model_;
  const Golden& golden_;
  Session& session_;
  quant::Isa isa_;
  std::map<bool, Tower> vision_;  // of all frames, and of the first one
  std::optional<Tower> text_;
};

}  // namespace sterna::models
