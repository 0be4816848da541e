#pragma once

#include <sterna/models/gguf.h>
#include <sterna/models/model.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "bind.h"
#include "model_id.h"
#include "writer.h"

namespace sterna {

/// What a Model is made of. Everything views `file`.
struct Model::Impl {
  Impl(const std::filesystem::path& from, const Options& options);

  size_t dim() const { return text.width(); }
  void check(const Scene& scene) const;
  void check(std::span<const float> out, size_t rows) const;
  const models::Writer& writing() const;
  nn::Mat<const float> encode(std::string_view question, Session& session) const;
  /// The embedding of a text that is among the model's own answers, as it is or in lower case.
  /// False, and nothing is written, for others.
  bool known(std::string_view text, std::span<float> out) const;
  /// A question about a scene; of one seen closer (Sight::fine) what was seen then, too.
  predictor::Query query(const Scene& scene, nn::Mat<const float> question, Sight sight) const;
  void look_closer(const vision::ImageView& image, Scene& scene, Session& session) const;
  void predict(const Scene& scene, std::span<const nn::Mat<const float>> questions,
               nn::Mat<float> out, Session& session, float head_scale = 1,
               Sight sight = Sight::fine) const;

  std::filesystem::path path;
  quant::Isa isa;
  models::Gguf file;  // before everything that views it
  vision::Preprocess preprocess;
  language::TextEncoder text;
  vision::HybridTower tower;
  predictor::PointerPredictor predictor;
  models::Decoder decoder;
  std::unique_ptr<const models::Writer> writer;
  std::string prompt;
  uint64_t id = models::next_model_id();
};

}  // namespace sterna
