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
  std::string label;          // of a closed set
  std::string caption{};      // a sentence about it
  bool dissolve = false;      // how it begins: a dissolve or a cut
};

struct StreamScript {
  uint64_t seed = 1;
  double seconds = 360;  // as long as EgoExo4D's videos
  double fps = 8;
  double dissolves = 0.4;  // share of the changes; the others are cuts
  bool still = false;      // a camera on a wall: nothing moves in a shot but the sensor's noise
  std::string pictures{};  // a folder for read_slides(); "": drawn scenes
};

/// A picture of a slideshow, and the truth about it.
struct Slide {
  std::string file, label, caption;
};

/// The pictures of a folder: those that its captions.jsonl lists, one {"image", "label", "caption"}
/// a line (the image relative to the folder; a label stands for a missing caption), or else those
/// in a folder for each label. Throws Error for fewer than two labels and for a broken line.
std::vector<Slide> read_slides(const std::string& folder);

/// A long stream with known events: photos, or drawn scenes, each shown for a log-normal time
/// (median 1.8 s, sigma 0.9; what is not within 0.5 s and 10 s is drawn again, which leaves a
/// median of 1.9 s and about 143 events in six minutes, EgoExo4D's number), seen by a camera that
/// pans and zooms, with cuts and dissolves of 0.3 to 1 s, sensor noise, lighting that flickers and
/// drifts. The same seed gives the same pixels.
class StreamGenerator {
 public:
  /// Throws Error as read_slides().
  explicit StreamGenerator(const StreamScript& script);

  const StreamScript& script() const { return script_; }
  const std::vector<StreamEvent>& events() const { return events_; }
  /// All labels that may occur, each once, and all captions.
  const std::vector<std::string>& labels() const { return labels_; }
  const std::vector<std::string>& captions() const { return captions_; }
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
  };
  /// What is shown next, but for its times: anything with another label than the last.
  StreamEvent choose(const std::vector<Slide>& slides, const std::string& last,
                     std::mt19937_64& random);
  Shot make_shot(size_t event);
  void look(const Shot& shot, double share, std::vector<float>& out) const;
  const Shot& shot(size_t event);

  StreamScript script_;
  std::vector<StreamEvent> events_;
  std::vector<std::string> labels_, captions_;
  std::vector<std::string> files_;  // of each event, with pictures
  std::vector<int> corners_;        // of each event, with drawn scenes
  std::vector<double> dissolve_;    // of each event: its length
  std::mt19937_64 noise_;
  std::vector<std::pair<size_t, Shot>> shots_;  // the two last used
};

}  // namespace sterna::cli
