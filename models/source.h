#pragma once

#include <sterna/quant/linear.h>

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config.h"
#include "sterna/models/gguf.h"
#include "sterna/models/mapped_file.h"
#include "sterna/models/weights.h"
#include "uses.h"

namespace sterna::models {

class Checkpoint;

/// The tensors that linear maps of plain floats view: by the address of their first weight, the
/// name and the first row. What calibration knows maps by.
struct Place {
  std::string name;
  size_t row = 0;
};
using Places = std::map<const std::byte*, Place>;

/// How the weights of a source are opened.
struct Opening {
  quant::Isa isa = quant::best_isa();
  /// What maps of transformer blocks that lie there as floats are packed to.
  quant::Type blocks = quant::Type::f32;
  const Replaced* replaced = nullptr;
  Places* places = nullptr;  // where it is set, maps are written down here
  /// Where it is set, the model is bound to learn what its tensors are there for, and not to run:
  /// roles are written here, nothing is packed, and halves are not widened but read as zeros, so
  /// that a checkpoint of any size takes no memory.
  Roles* roles = nullptr;
};

/// Where a model's files lie: a folder as Hugging Face's libraries save it, or a GGUF that
/// convert() wrote, which carries the same texts and tensors. In the GGUF, the text FILE is the
/// metadata `sterna.file.FILE`, and what lay in the folder INNER of the folder has the name
/// "INNER/NAME". A value; const and thread-compatible. Throws sterna::Error naming file and fault.
class Source {
 public:
  static constexpr std::string_view kArchitecture = "sterna-folder";  // general.architecture
  static constexpr std::string_view kFile = "sterna.file.";

  /// A folder; or a GGUF, which must be a converted one.
  static Source open(const std::filesystem::path& path);
  static Source of(std::shared_ptr<const Gguf> file);
  /// Whether `file` is a converted one.
  static bool is_converted(const Gguf& file);

  /// What errors of this source start with: the folder, or the file.
  const std::string& name() const { return name_; }
  /// The text FILE for messages: "DIR/config.json", "m.gguf: text/config.json".
  std::string where(std::string_view file) const;
  bool has(std::string_view file) const;
  Config config(std::string_view file) const;                // an object
  std::vector<Config> configs(std::string_view file) const;  // a list of them

  /// A text of any kind, which lives as long as `owner`.
  struct Text {
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
  };
  Text text(std::string_view file) const;

  /// The folder that `key` of `config` names, "" being this one. What files name is not trusted: an
  /// absolute name, "..", a link that leads out of the folder or round in circles is an error of
  /// `key`, as is a folder that isn't there.
  Source inner(const Config& config, std::string_view key) const;
  /// The folder `name` of this one, "" being this one, whether it is there or not, for the texts in
  /// it: weights that lie there are not the model's. For names that no file says. Throws Error for
  /// a link that leads out of this folder, to itself or round in circles.
  Source part(std::string_view name) const;
  /// The names of an inner one's tensors start with this: "", "text/", "text/2_Dense/".
  const std::string& prefix() const { return prefix_; }
  /// The folder, or an empty path for a GGUF.
  const std::filesystem::path& folder() const { return folder_; }
  /// The GGUF, or nullptr for a folder.
  const std::shared_ptr<const Gguf>& gguf() const { return gguf_; }

  /// This folder, and those in it that its sterna.json and modules.json name or where open-vljepa's
  /// tokenizers are, each once.
  std::vector<Source> all() const;
  /// Whether there are weights in this folder itself.
  bool has_weights() const;
  std::unique_ptr<Checkpoint> weights(const Opening& opening) const;

 private:
  void collect(std::vector<Source>& all) const;

  std::string name_;
  std::filesystem::path folder_;
  std::shared_ptr<const Gguf> gguf_;
  std::string prefix_;
  bool texts_alone_ = false;
};

}  // namespace sterna::models
