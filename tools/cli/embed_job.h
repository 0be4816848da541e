#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/embedder.h"
#include "cli/names.h"
#include "cli/sha256.h"

namespace sterna::cli {

/// Where embeddings go. add_*() come one at a time, in the order of the inputs.
class VectorSink {
 public:
  virtual ~VectorSink() = default;
  /// The vector of an input with these bytes, if it is known from an earlier run. Thread-safe.
  virtual std::optional<std::span<const float>> find(const Digest& digest) const = 0;
  virtual void add_row(const std::string& input, const Digest& digest,
                       std::span<const float> vector) = 0;
  virtual void add_failure(const std::string& input, const std::string& error) = 0;
};

/// Inputs to embed: names of pictures, or texts.
struct EmbedJob {
  /// A file whose lines are texts: those from `first` on.
  struct TextFile {
    size_t first = 0;
    std::string name = {};  // empty: the texts are none of a file
  };

  std::vector<std::string> inputs;
  std::vector<TextFile> text_files = {};  // in order; for messages
  bool text = false;
  int threads = 0;
  size_t first = 0;   // inputs before it are done already,
  size_t failed = 0;  // this many of them without success
  /// JPEGs may be decoded at a fraction of their size with sides of at least this; 0: whole.
  size_t reduced_side = 0;
};

/// What decoding at a fraction of the size did to some embeddings: the cosines with those of the
/// whole pictures.
struct Drift {
  size_t compared = 0;
  double sum = 0, least = 1;
};

struct EmbedCounts {
  size_t rows = 0;     // of this run
  size_t failed = 0;   // with those of earlier runs
  size_t reused = 0;   // rows that were known by their content
  size_t decodes = 0;  // times the decoder was entered
  Drift drift;
  double seconds = 0;
  int interrupted = 0;  // the exit code to leave with; 0 if all is done
};

/// Embeds everything, several inputs at a time: while some are read and decoded others are
/// computed. An input that fails is reported on standard error and to the sink. Ctrl-C ends it
/// early. Shows progress on a terminal. With a reduced side some 16 pictures, evenly over the
/// inputs, are also decoded whole, for `drift`.
EmbedCounts run_embed_job(const Embedder& embedder, const EmbedJob& job, VectorSink& sink);

/// What embeddings depend on beside their input, for VectorStore.
Json embed_settings(const Embedder& embedder, bool text, size_t reduced_side = 0);
/// The reduced side that settings were made with.
size_t reduced_side_of(const Json& settings);

}  // namespace sterna::cli
