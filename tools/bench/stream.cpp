#include "bench/stream.h"

#include <sterna/vision/decode.h>
#include <sterna/vision/resize.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <set>

namespace sterna::cli {
namespace {

constexpr size_t kWidth = 320, kHeight = 240;              // of a frame
constexpr size_t kCanvasWidth = 480, kCanvasHeight = 360;  // of what the camera moves over

using Random = std::mt19937_64;

double uniform(Random& random, double low = 0, double high = 1) {
  return low + (high - low) * (static_cast<double>(random() >> 11) + 0.5) / 9007199254740992.0;
}

double normal(Random& random) {
  return std::sqrt(-2 * std::log(uniform(random))) *
         std::cos(2 * std::numbers::pi * uniform(random));
}

struct Colour {
  const char* name;
  double hue0, hue1, saturation0, saturation1, value0, value1;
};
// What people call these names.
constexpr Colour kColours[] = {
    {"red", 352, 364, 0.8, 1, 0.6, 0.95},   {"orange", 20, 34, 0.85, 1, 0.9, 1},
    {"yellow", 48, 58, 0.7, 1, 0.88, 1},    {"green", 95, 145, 0.5, 1, 0.35, 0.8},
    {"blue", 205, 240, 0.6, 1, 0.45, 0.95}, {"purple", 266, 288, 0.5, 0.9, 0.4, 0.7},
    {"pink", 318, 345, 0.3, 0.55, 0.9, 1},  {"brown", 18, 28, 0.55, 0.8, 0.3, 0.48},
    {"black", 0, 360, 0, 0.2, 0.04, 0.13},  {"white", 0, 360, 0, 0.05, 0.93, 1},
    {"gray", 0, 360, 0, 0.08, 0.4, 0.6},
};

std::array<double, 3> rgb(double hue, double saturation, double value) {
  const double h = std::fmod(hue, 360) / 60;
  const auto channel = [&](double n) {
    const double k = std::fmod(n + h, 6);
    return 255 * value * (1 - saturation * std::clamp(std::min(k, 4 - k), 0.0, 1.0));
  };
  return {channel(5), channel(3), channel(1)};
}

std::array<double, 3> sample(const Colour& c, Random& random) {
  return rgb(uniform(random, c.hue0, c.hue1), uniform(random, c.saturation0, c.saturation1),
             uniform(random, c.value0, c.value1));
}

// What is drawn: a disc, or a regular polygon of so many corners.
struct Shape {
  const char* name;
  int corners;
};
constexpr Shape kShapes[] = {{"disc", 0}, {"triangle", 3}, {"square", 4}, {"pentagon", 5}};

std::string caption_of(const std::string& colour, const Shape& shape) {
  return std::string(colour == "orange" ? "an " : "a ") + colour + " " + shape.name;
}

/// A large thing of one colour before a dull wall.
vision::Image draw(const Colour& colour, int corners, Random& random) {
  vision::Image image{kCanvasWidth, kCanvasHeight,
                      std::vector<uint8_t>(kCanvasWidth * kCanvasHeight * 3)};
  const auto wall0 =
      rgb(uniform(random, 0, 360), uniform(random, 0, 0.25), uniform(random, 0.3, 0.8));
  const auto wall1 =
      rgb(uniform(random, 0, 360), uniform(random, 0, 0.25), uniform(random, 0.3, 0.8));
  const auto paint = sample(colour, random);
  const double cx = uniform(random, 0.4, 0.6) * kCanvasWidth;
  const double cy = uniform(random, 0.4, 0.6) * kCanvasHeight;
  const double radius = uniform(random, 0.26, 0.36) * kCanvasHeight;
  const double turn = uniform(random, 0, std::numbers::pi);
  for (size_t y = 0; y < kCanvasHeight; ++y) {
    for (size_t x = 0; x < kCanvasWidth; ++x) {
      const double dx = static_cast<double>(x) - cx, dy = static_cast<double>(y) - cy;
      double reach = radius;
      if (corners > 0) {  // a regular polygon with rounded looks
        const double part = 2 * std::numbers::pi / corners;
        const double angle = std::fmod(std::atan2(dy, dx) + turn + 4 * std::numbers::pi, part);
        reach = radius * 1.15 * std::cos(part / 2) / std::cos(angle - part / 2);
      }
      const double inside = std::clamp(reach - std::hypot(dx, dy) + 0.5, 0.0, 1.0);
      const double ramp = static_cast<double>(y) / kCanvasHeight;
      const double shade = 1 - 0.15 * (dx + dy) / (2 * radius);
      for (size_t c = 0; c < 3; ++c) {
        const double wall = wall0[c] + (wall1[c] - wall0[c]) * ramp;
        const double value = inside * std::min(255.0, paint[c] * shade) + (1 - inside) * wall;
        image.rgb[(y * kCanvasWidth + x) * 3 + c] =
            static_cast<uint8_t>(std::clamp(value, 0.0, 255.0));
      }
    }
  }
  return image;
}

}  // namespace

StreamGenerator::StreamGenerator(const StreamScript& script)
    : script_(script), noise_(script.seed ^ 0x9e3779b97f4a7c15) {
  std::vector<Slide> slides;
  std::set<std::string> labels, captions;
  if (!script.pictures.empty()) {
    slides = read_slides(script.pictures);
    for (const Slide& slide : slides) {
      labels.insert(slide.label);
      captions.insert(slide.caption);
    }
  } else {
    for (const Colour& colour : kColours) {
      labels.insert(colour.name);
      for (const Shape& shape : kShapes) captions.insert(caption_of(colour.name, shape));
    }
  }
  labels_.assign(labels.begin(), labels.end());
  captions_.assign(captions.begin(), captions.end());

  Random random(script.seed);
  double start = 0;
  while (start < script.seconds) {
    double length = 0;
    do {
      length = 1.8 * std::exp(0.9 * normal(random));
    } while (length < 0.5 || length > 10);
    StreamEvent event = choose(slides, events_.empty() ? "" : events_.back().label, random);
    event.start = start;
    event.end = std::min(start + length, script.seconds);
    event.dissolve = start > 0 && uniform(random) < script.dissolves;
    const double most = std::min(1.0, 0.8 * length);
    dissolve_.push_back(event.dissolve ? std::min(uniform(random, 0.3, 1.0), most) : 0);
    start = event.end;
    events_.push_back(std::move(event));
  }
}

StreamEvent StreamGenerator::choose(const std::vector<Slide>& slides, const std::string& last,
                                    Random& random) {
  StreamEvent event;
  if (slides.empty()) {
    do {  // another label: else nothing has changed
      event.label = kColours[random() % std::size(kColours)].name;
    } while (event.label == last);
    const Shape& shape = kShapes[random() % std::size(kShapes)];
    event.caption = caption_of(event.label, shape);
    corners_.push_back(shape.corners);
    return event;
  }
  const Slide* slide = nullptr;
  do {
    slide = &slides[random() % slides.size()];
  } while (slide->label == last);
  event.label = slide->label;
  event.caption = slide->caption;
  files_.push_back(slide->file);
  return event;
}

size_t StreamGenerator::frames() const {
  return static_cast<size_t>(std::floor(script_.seconds * script_.fps));
}

StreamGenerator::Shot StreamGenerator::make_shot(size_t event) {
  Random random(script_.seed * 1000003 + event);
  Shot shot;
  if (files_.empty()) {
    const auto* colour =
        std::find_if(std::begin(kColours), std::end(kColours),
                     [&](const Colour& c) { return events_[event].label == c.name; });
    shot.canvas = draw(*colour, corners_[event], random);
  } else {
    shot.canvas = vision::resize(vision::decode_file(files_[event]).view(), kCanvasWidth,
                                 kCanvasHeight, vision::Filter::bilinear);
  }
  // The camera looks round the middle; a third of the shots stands still.
  const double move = uniform(random) < 0.33 || script_.still ? 0 : 0.3;
  shot.zoom0 = uniform(random, 0.8, 1);
  shot.zoom1 = std::clamp(shot.zoom0 + move * uniform(random, -0.5, 0.5), 0.75, 1.0);
  shot.x0 = uniform(random, 0.3, 0.7);
  shot.y0 = uniform(random, 0.3, 0.7);
  shot.x1 = std::clamp(shot.x0 + move * uniform(random, -1, 1), 0.0, 1.0);
  shot.y1 = std::clamp(shot.y0 + move * uniform(random, -1, 1), 0.0, 1.0);
  shot.gain0 = uniform(random, 0.9, 1.05);
  shot.gain1 = shot.gain0 + (script_.still ? 0 : uniform(random, -0.08, 0.08));
  return shot;
}

const StreamGenerator::Shot& StreamGenerator::shot(size_t event) {
  for (const auto& [number, shot] : shots_) {
    if (number == event) return shot;
  }
  if (shots_.size() == 2) shots_.erase(shots_.begin());
  shots_.reserve(2);
  shots_.emplace_back(event, make_shot(event));
  return shots_.back().second;
}

void StreamGenerator::look(const Shot& shot, double share, std::vector<float>& out) const {
  const auto between = [&](double a, double b) {
    return a + (b - a) * std::clamp(share, -0.5, 1.5);
  };
  const double zoom = std::clamp(between(shot.zoom0, shot.zoom1), 0.5, 1.0);
  const double gain = between(shot.gain0, shot.gain1);
  const double w = (kCanvasWidth - 1) * zoom, h = (kCanvasHeight - 1) * zoom;
  const double left = (kCanvasWidth - 1 - w) * std::clamp(between(shot.x0, shot.x1), 0.0, 1.0);
  const double top = (kCanvasHeight - 1 - h) * std::clamp(between(shot.y0, shot.y1), 0.0, 1.0);
  out.resize(kWidth * kHeight * 3);
  for (size_t y = 0; y < kHeight; ++y) {
    const double fy = top + h * static_cast<double>(y) / (kHeight - 1);
    const size_t y0 = std::min(static_cast<size_t>(fy), kCanvasHeight - 2);
    const double ty = fy - static_cast<double>(y0);
    for (size_t x = 0; x < kWidth; ++x) {
      const double fx = left + w * static_cast<double>(x) / (kWidth - 1);
      const size_t x0 = std::min(static_cast<size_t>(fx), kCanvasWidth - 2);
      const double tx = fx - static_cast<double>(x0);
      const uint8_t* p = &shot.canvas.rgb[(y0 * kCanvasWidth + x0) * 3];
      const uint8_t* q = p + kCanvasWidth * 3;
      for (size_t c = 0; c < 3; ++c) {
        const double value =
            (1 - ty) * ((1 - tx) * p[c] + tx * p[c + 3]) + ty * ((1 - tx) * q[c] + tx * q[c + 3]);
        out[(y * kWidth + x) * 3 + c] = static_cast<float>(gain * value);
      }
    }
  }
}

void StreamGenerator::render(size_t frame, vision::Image& out) {
  const double now = time(frame);
  size_t event = 0;
  while (event + 1 < events_.size() && events_[event + 1].start <= now) ++event;
  const auto share = [&](size_t e) {
    return (now - events_[e].start) / (events_[e].end - events_[e].start);
  };
  // Half of a dissolve lies before the event's start, half after.
  size_t other = event;
  double mix = 0;
  const double since = now - events_[event].start;
  if (since < dissolve_[event] / 2) {
    other = event - 1;
    mix = 0.5 - since / dissolve_[event];
  } else if (event + 1 < events_.size() &&
             events_[event + 1].start - now < dissolve_[event + 1] / 2) {
    other = event + 1;
    mix = 0.5 - (events_[event + 1].start - now) / dissolve_[event + 1];
  }
  std::vector<float> seen, mixed;
  look(shot(event), share(event), seen);
  if (other != event) {
    look(shot(other), share(other), mixed);
    for (size_t i = 0; i < seen.size(); ++i) {
      seen[i] += static_cast<float>(mix) * (mixed[i] - seen[i]);
    }
  }
  const double flicker =
      1 + (script_.still ? 0 : 0.02) * std::sin(2 * std::numbers::pi * 1.3 * now);
  out.width = kWidth;
  out.height = kHeight;
  out.rgb.resize(seen.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    // A sum of four bytes is normal enough for a sensor; standard deviation 3 levels.
    const uint64_t r = (i % 2 == 0) ? noise_() : noise_() >> 32;
    const double sum =
        static_cast<double>((r & 255) + (r >> 8 & 255) + (r >> 16 & 255) + (r >> 24 & 255)) - 510;
    const double value = flicker * static_cast<double>(seen[i]) + sum * (3 / 147.8);
    out.rgb[i] = static_cast<uint8_t>(std::clamp(value + 0.5, 0.0, 255.0));
  }
}

}  // namespace sterna::cli
