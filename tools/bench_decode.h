#pragma once

#include <functional>
#include <string>

#include "bench_stream.h"

namespace sterna {
class Model;
struct Session;
}  // namespace sterna

namespace sterna::cli {

struct BenchDecodeOptions {
  StreamScript script;
  std::string prompt;   // asked of every frame; empty: the model's own for embeddings
  double levels = 1.5;  // pixels that moved less are not encoded again, see PixelDifference
  std::string plot;     // where to write the curves as SVG; empty: nowhere
  bool json = false;
  std::function<void(const std::string&)> print;  // gets finished lines
};

/// `sterna bench decode`: renders a labelled stream, embeds every frame once, and lets each policy
/// (uniform, Ward, windowed variance, CUSUM) say what it sees at many rates of decoding. Prints
/// score (accuracy of the output nearest in time to each event), CIDEr and boundary F1 against
/// decodes, for each of them how many times as many the uniform policy needs for that score
/// (between its rows linearly), and how many times fewer decodes each policy needs than the uniform
/// one at 1 and 2 Hz for at least the same score. Then what frames whose pixels did not move cost
/// if their embedding is taken from the frame before, as `sterna watch` does. Returns the exit
/// code.
int bench_decode(const BenchDecodeOptions& options, const Model& model, Session& session);

}  // namespace sterna::cli
