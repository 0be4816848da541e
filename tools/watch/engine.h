#pragma once

#include <sterna/decoder/gate.h>
#include <sterna/decoder/recall.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "watch/difference.h"
#include "watch/embedding_log.h"
#include "watch/encoder.h"
#include "watch/keyframes.h"
#include "watch/report.h"
#include "watch/source.h"

namespace sterna::cli {

/// What watching needs of a model.
struct WatchModel {
  size_t dim = 0;
  EmbedPicture embed;
  /// Words for an embedding, with the confidence in them.
  std::function<void(std::span<const float>, std::string& text, double& confidence)> decode;
  uint64_t decode_flops = 0;          // floating-point operations of one decode
  decoder::Recall* recall = nullptr;  // words for meanings that come back; null: each is decoded
  ClipTower clips = {};               // by default, every frame is embedded by itself
};

/// Where results go. Report and log may be null; they are let go when they fail.
struct WatchOutputs {
  std::function<void(const WatchEvent&)> event;
  std::function<void(const std::string&)> warn;
  /// Of each file that could not be read or encoded, where each frame is one of its own; beside
  /// `warn`. May be empty.
  std::function<void(const std::string& file, const std::string& error)> file_failed;
  WatchReport* report = nullptr;
  EmbeddingLog* log = nullptr;
  CostMeter* meter = nullptr;  // may be null; older than the session's threads
  bool join = false;           // segments in the same words are one event, told when words differ
  bool failed = false;         // report or log could not be written to their end
};

/// Looks at the frames of `source` until it ends: encodes those whose pixels changed (all without
/// `difference`), lets `gate` find the segments, and puts each into words once. A picture that
/// can't be read is warned of and counted. Memory does not grow with the stream, unless the gate's
/// does. What outputs.event or file_failed throws ends it, and goes on once report and log are
/// finished.
WatchSummary watch(FrameSource& source, PixelDifference* difference, decoder::Gate& gate,
                   const WatchModel& model, WatchOutputs& outputs);

}  // namespace sterna::cli
