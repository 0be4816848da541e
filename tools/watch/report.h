#pragma once

#include <sterna/vision/image.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/cost.h"
#include "cli/html.h"

namespace sterna::cli {

/// One stretch of the stream that was put into words.
struct WatchEvent {
  double start = 0, end = 0;  // seconds
  std::string text;
  double confidence = 0;
  uint64_t frame = 0;  // in the source
  std::string file;    // that this frame is, if each is one of its own
};

struct WatchSummary {
  double seconds = 0;   // from the first frame looked at to the last
  size_t frames = 0;    // looked at
  size_t embedded = 0;  // passes of the vision tower
  size_t decodes = 0;
  size_t recalled = 0;   // segments whose words were known: no decode
  size_t unchanged = 0;  // frames whose pixels were the same: no pass of the tower
  size_t invalid = 0;    // embeddings that were no numbers
  size_t failed = 0;     // pictures that could not be read
  uint64_t dropped = 0;  // frames a live source had to leave out
  // Seconds that went into comparing pixels, into the vision tower, and into words.
  double compare_seconds = 0, embed_seconds = 0, decode_seconds = 0;
  uint64_t decoder_flops = 0;  // of the decodes, and of looking for known words
  Cost cost;                   // of everything, from the start of the program on

  /// Share of the frames looked at whose pass of the tower was spared.
  double spared() const;
  /// Milliseconds that this took less than encoding and decoding every frame: what one pass and one
  /// decode took, as often as they were spared, less the comparing.
  double saved_ms() const;
};

/// The page `sterna watch --report` writes: a timeline of the segments, the curve of the distance
/// between now and the open segment with the threshold, and a row with a thumbnail for each decode.
/// Rows are written as they are decided, so memory stays flat; the file appears when it is
/// complete.
class WatchReport {
 public:
  WatchReport(const std::filesystem::path& path, std::string_view source, std::string_view model);
  void sample(double seconds, double statistic, double threshold);
  /// `picture` may be null.
  void add(const WatchEvent& event, const vision::Image* picture);
  void finish(const WatchSummary& summary);

 private:
  struct Sample {
    double seconds, statistic, threshold;
  };
  void write(std::string_view text);

  HtmlPage page_;
  static constexpr size_t kMostSamples = 4096;
  std::vector<Sample> samples_;
  size_t per_sample_ = 1, pending_ = 0;
  Sample peak_{};
  struct Bar {
    double start, end;
    bool even;
  };
  std::vector<Bar> bars_;
};

/// 75.25 -> "1:15.2", 3725 -> "1:02:05.0"; of any finite number, those below 0 as 0.
std::string time_text(double seconds);

/// What was done, in words: for people, on the page and on the terminal.
std::string summary_text(const WatchSummary& summary);

}  // namespace sterna::cli
