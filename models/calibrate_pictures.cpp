#include <sterna/models/model.h>
#include <sterna/nn/workspace.h>
#include <sterna/quant/error.h>
#include <sterna/vision/preprocess.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bind.h"
#include "calibrate.h"
#include "rounded_maps.h"

namespace sterna::models {
namespace {

using nn::Mat;

constexpr size_t kQuestions = 64;  // of a forward pass: bounds the memory of activations
constexpr const char* kMaps[] = {"qkv", "attn_out", "mlp_up", "mlp_down"};  // as a block runs them

/// Sees the inputs of one map, known by the address of its weights.
struct Watch : nn::MapObserver {
  Watch(nn::Workspace& workspace, const RoundedMaps& rounded, const std::string& name,
        const quant::WeightView& map)
      : workspace(workspace), rounded(rounded), name(name), weights(map.data.data()),
        moments(map.k) {
    workspace.observe(this);
  }
  ~Watch() override { workspace.observe(nullptr); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void see(const quant::Linear& linear, Mat<const float> x) override {
    if (linear.weight().data.data() == weights) rounded.see(name, x, moments);
  }

  nn::Workspace& workspace;
  const RoundedMaps& rounded;
  const std::string& name;
  const std::byte* weights;
  InputMoments moments;
};

class PictureCalibration {
 public:
  PictureCalibration(const Gguf& file, std::span<const QuantizeRule> rules,
                     const Calibration& calibration)
      : file_(file),
        rules_(rules),
        isa_(quant::best_isa()),
        session_(calibration.threads),
        preprocess_(bind_preprocess(file)),
        text_(bind_text(file, isa_)),
        tower_(bind_tower(file, preprocess_, text_.width(), isa_)),
        predictor_(bind_predictor(file, tower_.width(), text_.width(), isa_)),
        rounded_(file.file()) {}

  void take_in(std::span<const AskedPicture> pictures);
  Calibrated run();

 private:
  /// A map that is to be rounded, as it lies in the file.
  struct Map {
    std::string name;
    const QuantizeRule* rule;
    quant::WeightView weights;  // f32
  };
  /// A picture on its way through the model.
  struct Seen {
    std::vector<uint8_t> pixels;          // [size * size * 3]
    std::vector<uint8_t> larger;          // the picture that is looked at closer, or empty
    std::vector<float> features, meaning;  // [tokens, width], [tokens, dim]
    std::vector<float> fine;               // [tokens, dim], or empty
    std::vector<Mat<const float>> questions;
  };

  size_t number(const std::string& key) const;
  void find(const std::string& scope, size_t blocks, size_t d, size_t f,
            std::vector<Map>& found) const;
  Mat<const float> hear(const std::string& question);
  void see();
  void look_closer();
  void predict();
  template <class Bind, class Pass>
  void round(const std::vector<Map>& maps, Bind&& bind, Pass&& pass);

  const Gguf& file_;
  std::span<const QuantizeRule> rules_;
  quant::Isa isa_;
  Session session_;
  vision::Preprocess preprocess_;
  language::TextEncoder text_;
  vision::HybridTower tower_;
  predictor::PointerPredictor predictor_;
  std::map<std::string, std::vector<float>> hidden_;  // of each question, once
  std::vector<Seen> seen_;
  RoundedMaps rounded_;
};

/// The last hidden states of a question, as the text tower of the file gives them.
Mat<const float> PictureCalibration::hear(const std::string& question) {
  std::vector<float>& hidden = hidden_[question];
  const size_t dim = text_.width();
  if (hidden.empty()) {
    std::vector<uint32_t> ids;
    text_.tokenize(question, ids);
    hidden.resize(ids.size() * dim);
    text_.tokens(ids, {hidden.data(), ids.size(), dim}, session_.executor, session_.workspace);
  }
  return {hidden.data(), hidden.size() / dim, dim};
}

void PictureCalibration::take_in(std::span<const AskedPicture> pictures) {
  const size_t tokens = tower_.tokens();
  for (const AskedPicture& asked : pictures) {
    Seen& seen = seen_.emplace_back();
    const vision::Image picture = asked.picture();
    seen.pixels.resize(preprocess_.size * preprocess_.size * 3);
    vision::fit_pixels(picture.view(), preprocess_, seen.pixels, session_.workspace,
                       &session_.executor, isa_);
    if (tower_.looks_closer()) {
      const vision::Preprocess larger = vision::enlarged(preprocess_, tower_.detail());
      seen.larger.resize(larger.size * larger.size * 3);
      vision::fit_pixels(picture.view(), larger, seen.larger, session_.workspace,
                         &session_.executor, isa_);
    }
    seen.features.resize(tokens * tower_.width());
    seen.meaning.resize(tokens * text_.width());
    for (const std::string& question : asked.questions) seen.questions.push_back(hear(question));
  }
}

size_t PictureCalibration::number(const std::string& key) const {
  return static_cast<size_t>(file_.integer("sterna." + key, 0, UINT32_MAX));
}

/// The maps of blocks that become integers, in the order of a forward pass.
void PictureCalibration::find(const std::string& scope, size_t blocks, size_t d, size_t f,
                              std::vector<Map>& found) const {
  const Weights weights(file_);
  const std::pair<size_t, size_t> shapes[] = {{3 * d, d}, {d, d}, {f, d}, {d, f}};
  for (size_t i = 0; i < blocks; ++i) {
    for (size_t j = 0; j < std::size(kMaps); ++j) {
      const std::string name = scope + ".blocks." + std::to_string(i) + "." + kMaps[j] + ".weight";
      const QuantizeRule* rule = rounding_rule(rules_, name);
      const quant::WeightView view = weights.linear(name, shapes[j].first, shapes[j].second);
      // What is integers already stays as it is.
      if (rule != nullptr && view.type == quant::Type::f32) found.push_back({name, rule, view});
    }
  }
}

/// All pictures through the tower as it is.
void PictureCalibration::see() {
  const size_t tokens = tower_.tokens(), dim = text_.width();
  for (Seen& seen : seen_) {
    tower_.forward(seen.pixels, {seen.features.data(), tokens, tower_.width()},
                   {seen.meaning.data(), tokens, dim}, session_.executor, session_.workspace);
  }
}

/// As closely as questions are answered. The stem is not rounded here, so that once is enough.
void PictureCalibration::look_closer() {
  const size_t tokens = tower_.tokens(), dim = text_.width();
  for (Seen& seen : seen_) {
    if (seen.larger.empty()) continue;
    seen.fine.resize(tokens * dim);
    tower_.look_closer(seen.larger, {seen.meaning.data(), tokens, dim},
                       {seen.fine.data(), tokens, dim}, session_.executor, session_.workspace);
    seen.larger = {};
  }
}

/// All questions through the predictor as it is.
void PictureCalibration::predict() {
  const size_t tokens = tower_.tokens();
  std::vector<predictor::Query> queries;
  std::vector<float> out(kQuestions * text_.width());
  for (const Seen& seen : seen_) {
    for (size_t first = 0; first < seen.questions.size(); first += kQuestions) {
      const size_t count = std::min(kQuestions, seen.questions.size() - first);
      queries.clear();
      for (size_t i = first; i < first + count; ++i) {
        queries.push_back({seen.questions[i],
                           {seen.features.data(), tokens, tower_.width()},
                           {seen.meaning.data(), tokens, text_.width()},
                           tower_.grid()});
        if (!seen.fine.empty()) queries.back().fine = {seen.fine.data(), tokens, text_.width()};
      }
      predictor_.forward(queries, {out.data(), count, text_.width()}, session_.executor,
                         session_.workspace);
    }
  }
}

/// Map after map: `pass` shows what goes into it, and `bind` puts it in its rounded place.
template <class Bind, class Pass>
void PictureCalibration::round(const std::vector<Map>& maps, Bind&& bind, Pass&& pass) {
  for (const Map& map : maps) {
    const quant::WeightView& w = map.weights;
    Watch watch(session_.workspace, rounded_, map.name, w);
    pass();
    const std::span values(reinterpret_cast<const float*>(w.data.data()), w.m * w.k);
    rounded_.round(map.name, values, w.m, w.k, *map.rule, watch.moments);
    bind();
  }
}

Calibrated PictureCalibration::run() {
  std::vector<Map> tower, predictor;
  find("vision", number("vision.blocks"), tower_.width(), number("vision.mlp"), tower);
  const size_t f = number("predictor.mlp");
  if (file_.has(kGroundBlocks))
    find("predictor.ground", file_.integer(kGroundBlocks), tower_.width(), f, predictor);
  find("predictor", number("predictor.blocks"), number("predictor.width"), f, predictor);
  if (tower.empty() && predictor.empty()) {
    throw Error(file_.file() +
                ": calibration on pictures: expected rules that store f32 maps of vision.blocks.* "
                "or predictor.blocks.* as i8 or ternary, found none");
  }
  round(
      tower,
      [&] {
        tower_ = bind_tower(file_, preprocess_, text_.width(), isa_, &rounded_.replaced());
      },
      [&] { see(); });
  if (predictor.empty()) return rounded_.take();
  if (hidden_.empty())
    throw Error(file_.file() + ": calibration on pictures: expected a question, found none");
  see();
  look_closer();
  round(
      predictor,
      [&] {
        predictor_ = bind_predictor(file_, tower_.width(), text_.width(), isa_,
                                    &rounded_.replaced());
      },
      [&] { predict(); });
  return rounded_.take();
}

}  // namespace

Calibrated calibrate_pictures(const Gguf& file, std::span<const QuantizeRule> rules,
                              const Calibration& calibration) {
  PictureCalibration pictures(file, rules, calibration);
  pictures.take_in(calibration.pictures);
  return pictures.run();
}

}  // namespace sterna::models
