#include <sterna/nn/workspace.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "calibrate.h"
#include "golden.h"
#include "input_moments.h"
#include "rounded_maps.h"
#include "runner.h"
#include "stored.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

/// "text/encoder.layer.3." of the map of a block: up to the last number.
std::string block_of(const std::string& name) {
  size_t end = 0;
  for (size_t dot = name.find('.'); dot != std::string::npos;) {
    const size_t next = name.find('.', dot + 1);
    const auto part = std::string_view(name).substr(dot + 1, next - dot - 1);
    if (next != std::string::npos && !part.empty() &&
        part.find_first_not_of("0123456789") == std::string_view::npos)
      end = next + 1;
    dot = next;
  }
  return name.substr(0, end);
}

class ModelCalibration {
 public:
  ModelCalibration(const Source& source, const Roles& roles, std::span<const QuantizeRule> rules,
                   const Calibration& calibration)
      : source_(source),
        roles_(roles),
        rules_(rules),
        golden_(calibration.inputs),
        session_(calibration.threads),
        rounded_(source.name()) {}

  Calibrated run();

 private:
  struct Block {
    std::vector<std::string> maps;  // in the order of a forward pass
    std::string output;             // whose pass reaches it
  };
  struct Observer : nn::MapObserver {
    std::function<void(const Place&, const quant::Linear&, nn::Mat<const float>)> f;
    const Places* places = nullptr;

    void see(const quant::Linear& linear, nn::Mat<const float> x) override {
      const auto at = places->find(linear.weight().data.data());
      if (at != places->end() && linear.type() == quant::Type::f32) f(at->second, linear, x);
    }
  };

  const QuantizeRule* rule(const std::string& name) const;
  std::vector<std::string> outputs(const FolderModel& model) const;
  template <class F>
  void pass(const std::vector<std::string>& outputs, F&& f);
  std::vector<Block> find_blocks();
  void round(const std::string& name, const InputMoments& moments);

  const Source& source_;
  const Roles& roles_;
  std::span<const QuantizeRule> rules_;
  const Golden golden_;
  Session session_;
  RoundedMaps rounded_;
};

/// The rule by which a block's map becomes integers, or nullptr.
const QuantizeRule* ModelCalibration::rule(const std::string& name) const {
  const auto role = roles_.find(name);
  if (role == roles_.end() || role->second.use != Use::block_map) return nullptr;
  return rounding_rule(rules_, name, &role->second);
}

/// What the inputs at hand reach all blocks by.
std::vector<std::string> ModelCalibration::outputs(const FolderModel& model) const {
  std::vector<std::string> names;
  switch (model.kind) {
    case FolderModel::Kind::vljepa:
      if (golden_.has("pixels"))
        names.emplace_back(golden_.has("query_ids") ? "predicted" : "vision_tokens");
      if (golden_.has("target_ids")) names.emplace_back("target");
      break;
    case FolderModel::Kind::dual:
      if (golden_.has("pixel_values")) names.emplace_back("image_embeds");
      if (golden_.has("input_ids")) names.emplace_back("text_embeds");
      break;
    case FolderModel::Kind::single:
      names.emplace_back(model.vision && model.vision->predictor ? "predictor_output"
                                                                 : "last_hidden_state");
  }
  if (names.empty())
    throw Error(golden_.file() + ": calibration: expected inputs of this model, found none");
  return names;
}

/// Runs the model as it is rounded so far; f(place, linear, x) for every map that is not.
template <class F>
void ModelCalibration::pass(const std::vector<std::string>& only, F&& f) {
  Places places;
  const FolderModel model =
      open_source(source_, {.replaced = &rounded_.replaced(), .places = &places});
  Runner runner(model, golden_, session_, quant::best_isa());
  Observer observer;
  observer.places = &places;
  session_.workspace.observe(&observer);
  try {
    for (const std::string& output : only.empty() ? outputs(model) : only) {
      observer.f = [&](const Place& place, const quant::Linear& linear, nn::Mat<const float> x) {
        f(output, place, linear, x);
      };
      runner.run(output);
    }
  } catch (...) {
    session_.workspace.observe(nullptr);
    throw;
  }
  session_.workspace.observe(nullptr);
}

std::vector<ModelCalibration::Block> ModelCalibration::find_blocks() {
  std::vector<Block> blocks;
  std::map<std::string, size_t> known;
  std::set<std::string> seen;
  pass({}, [&](const std::string& output, const Place& place, const quant::Linear&,
               nn::Mat<const float>) {
    if (place.row != 0 || rule(place.name) == nullptr || !seen.insert(place.name).second) return;
    const auto [at, first] = known.emplace(block_of(place.name), blocks.size());
    if (first) blocks.push_back({{}, output});
    blocks[at->second].maps.push_back(place.name);
  });
  if (blocks.empty()) {
    throw Error(source_.name() +
                ": calibration: expected rules that store maps of blocks, which the inputs reach, "
                "as i8, t2, t5, t34 or t14, found none");
  }
  return blocks;
}

void ModelCalibration::round(const std::string& name, const InputMoments& moments) {
  const auto job = [&]() -> SafeTensor {
    for (const GgufTensor& tensor : source_.gguf()->tensors()) {
      const StoredTensor s = stored(*source_.gguf(), tensor);
      if (s.name == name) return {name, *plain_dtype(tensor.type), s.shape, tensor.data};
    }
    throw Error(source_.name() + ": tensor " + in_quotes(name) + " is missing");
  };
  const SafeTensor tensor = job();
  const std::vector<float> w = tensor.floats();
  const size_t m = static_cast<size_t>(tensor.shape[0]);
  rounded_.round(name, w, m, w.size() / m, *rule(name), moments);
}

Calibrated ModelCalibration::run() {
  for (const Block& block : find_blocks()) {
    std::map<std::string, InputMoments> moments;
    pass({block.output}, [&](const std::string&, const Place& place, const quant::Linear& linear,
                             nn::Mat<const float> x) {
      if (place.row != 0 ||
          std::find(block.maps.begin(), block.maps.end(), place.name) == block.maps.end())
        return;
      rounded_.see(place.name, x, moments.try_emplace(place.name, linear.k()).first->second);
    });
    for (const std::string& name : block.maps) round(name, moments.at(name));
  }
  return rounded_.take();
}

}  // namespace

Calibrated calibrate_model(const Source& source, const Roles& roles,
                           std::span<const QuantizeRule> rules, const Calibration& calibration) {
  return ModelCalibration(source, roles, rules, calibration).run();
}

}  // namespace sterna::models
