#pragma once

#include <cstddef>
#include <vector>

#include "bench/decode.h"
#include "bench/policies.h"

namespace sterna::cli {

/// A stream's embeddings, and what making them took. With a cache they may have been read: then
/// there is nothing but `stream`.
struct EmbeddedScript {
  EmbeddedStream stream;
  bool read = false;
  /// The same where a frame whose pixels did not move keeps the embedding of the one before.
  EmbeddedStream spared;
  size_t encoded = 0;  // frames that did move
  double embed_seconds = 0, compare_seconds = 0;
  Cost cost;  // of the passes, rendering left out; joules and processor seconds of one thread's run
};

/// Renders `generator`'s stream and embeds every frame. options.cache holds STREAM.npy by a digest
/// of everything that the embeddings depend on. Throws Error.
EmbeddedScript embed_script(const BenchDecodeOptions& options, StreamGenerator& generator,
                            const Model& model, Session& session);

}  // namespace sterna::cli
