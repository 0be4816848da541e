#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace sterna::cli {

/// Something that is shown for a while, and what a person would call it.
struct StreamEvent {
  double start = 0, end = 0;  // seconds; a dissolve is counted at its middle
  std::string label;
};

struct StreamScript {
  uint64_t seed = 1;
  double seconds = 360;  // as long as EgoExo4D's videos
  double fps = 8;
  double dissolves = 0.4;  // share of the changes; the others are cuts
  bool still = false;      // a camera on a wall: nothing moves in a shot but the sensor's noise
  std::string pictures{};  // a folder with a folder of pictures for each label; "": drawn scenes
};

/// A long stream with known events: photos, or drawn scenes, each shown for a log-normal time
/// (median 1.8 s, from 0.5 s to 10 s; sigma 0.75, so that about 140 fit into six minutes), seen by
/// a camera that pans and zooms, with cuts and dissolves of 0.3 to 1 s, sensor noise, lighting that
/// flickers and drifts. The same seed gives the same pixels.
class StreamGenerator {
 public:
  /// Throws Error for a folder without pictures.
  explicit StreamGenerator(const StreamScript& script);

  const std::vector<StreamEvent>& events() const { return events_; }
  /// All labels that occur, each once.
  std::vector<std::string> labels() const;
  size_t frames() const;
  double time(size_t frame) const { return static_cast<double>(frame) / script_.fps; }
  /// Renders a frame; in order, as noise goes on from frame to frame.
  void render(size_t frame, vision::Image& out);

 private:
  struct Shot {
    vision::Image canvas;
    double x0, y0, x1, y1;  // where the camera looks at the start and the end, 0..1
    double zoom0, zoom1;    // share of the canvas that it sees
    double gain0, gain1;    // lighting
    double dissolve = 0;    // seconds, at the start
  };
  Shot make_shot(size_t event);
  void look(const Shot& shot, double share, std::vector<float>& out) const;
  const Shot& shot(size_t event);

  StreamScript script_;
  std::vector<StreamEvent> events_;
  std::vector<std::string> files_;  // of each event, with pictures
  std::vector<double> dissolve_;    // of each event
  std::mt19937_64 noise_;
  std::vector<std::pair<size_t, Shot>> shots_;  // the two last used
};

}  // namespace sterna::cli
