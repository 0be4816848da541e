#pragma once

#include <sterna/decoder/change.h>
#include <sterna/quant/error.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "watch/engine.h"

/// What tests of `watch` watch: frames of plain colours, and a model that tells bright from dark.
namespace sterna::test {

using namespace sterna::cli;

using Pixels = std::vector<uint8_t>;

/// A plain picture of a colour, in the middle a square of another.
inline vision::Image picture(size_t side, uint8_t ground, uint8_t square = 0,
                             size_t square_side = 0) {
  vision::Image image{side, side, Pixels(side * side * 3, ground)};
  for (size_t y = 0; y < square_side; ++y) {
    for (size_t x = 0; x < square_side; ++x) {
      for (size_t c = 0; c < 3; ++c) image.rgb[((y + 40) * side + x + 40) * 3 + c] = square;
    }
  }
  return image;
}

/// Frames out of memory; one may be missing (an Error), one may come before the last in time.
struct Script : FrameSource {
  struct Step {
    vision::Image image;
    double seconds;
    bool broken = false;
  };
  std::vector<Step> steps;
  size_t at = 0;
  bool resume = true;
  std::optional<SourceFrame> next() override {
    if (at == steps.size()) return std::nullopt;
    const Step& step = steps[at++];
    if (step.broken) throw Error("frame " + std::to_string(at - 1) + ": broken");
    return SourceFrame{step.image.view(), step.seconds, at - 1};
  }
  bool resumable() const override { return resume; }
};

/// An embedding that says how bright the first pixel is.
inline WatchModel bright_model(size_t* calls = nullptr) {
  return {3,
          [calls](const vision::ImageView& p, std::span<float> out) {
            if (calls != nullptr) ++*calls;
            const double level = static_cast<const uint8_t*>(p.data)[0] / 255.0;
            out[0] = static_cast<float>(std::cos(level * 1.5));
            out[1] = static_cast<float>(std::sin(level * 1.5));
            out[2] = 0;
          },
          [](std::span<const float> e, std::string& text, double& confidence) {
            text = e[1] > e[0] ? "bright <day>" : "dark & night";
            confidence = 0.75;
          }};
}

struct Collected {
  std::vector<WatchEvent> events;
  std::vector<std::string> warnings;
  WatchOutputs outputs() {
    WatchOutputs o;
    o.event = [this](const WatchEvent& e) { events.push_back(e); };
    o.warn = [this](const std::string& line) { warnings.push_back(line); };
    return o;
  }
};

inline decoder::CusumGate cusum() {
  decoder::CusumGate::Config config;
  config.dim = 3;
  return decoder::CusumGate(config);
}

/// Two minutes: dark, bright, dark, ten frames a second.
inline Script day_and_night(size_t side) {
  Script script;
  for (size_t i = 0; i < 300; ++i) {
    const bool bright = i >= 100 && i < 200;
    script.steps.push_back({picture(side, bright ? 250 : 5), static_cast<double>(i) / 10});
  }
  return script;
}

}  // namespace sterna::test
