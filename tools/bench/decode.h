#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "bench/stream.h"
#include "cli/cost.h"

namespace sterna {
class Model;
struct Session;
}  // namespace sterna

namespace sterna::cli {

struct BenchDecodeOptions {
  StreamScript script;
  size_t streams = 1;    // of seeds script.seed, script.seed + 1, ...
  std::string prompt;    // asked of every frame; empty: the model's own for embeddings
  double levels = 1.5;   // pixels that moved less are not encoded again, see PixelDifference
  double recall = 0.97;  // cosine from which a meaning is known again
  std::string plot;      // where to write the curves as SVG; empty: nowhere
  std::string cache;     // a folder that keeps embedded streams for the next time; empty: none
  bool json = false;
  CostMeter* meter = nullptr;                     // older than the session's threads
  std::function<void(const std::string&)> print;  // gets finished lines
};

/// `sterna bench decode`: renders labelled streams, embeds every frame once, and lets each policy
/// (see bench/policies.h) say what it sees at many rates of decoding. Prints score (accuracy of the
/// output nearest in time to each event), CIDEr of captions and boundary F1 against decodes, for
/// each row; then, for the scores that decoding at fixed intervals reaches at several rates, how
/// many times fewer decodes each policy needs for the same (median and range over the streams).
/// Then what frames whose pixels did not move cost if their embedding is taken from the frame
/// before, as `sterna watch` does, and what passes and decodes cost. Returns the exit code.
int bench_decode(const BenchDecodeOptions& options, const Model& model, Session& session);

}  // namespace sterna::cli
