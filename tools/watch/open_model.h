#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "watch/engine.h"

namespace sterna::cli {

/// What `sterna watch` was asked for that a model must be able to do.
struct WatchWishes {
  std::optional<std::vector<std::string>> answers;  // of --choices or --answers
  std::string answers_option = "choices";           // which of both, for messages
  std::string prompt;
  std::optional<double> clip_seconds;
  std::optional<size_t> clip_frames;
};

/// The clips that are embedded. `trained`: CheckpointModel::frames_per_clip(). Without wishes a
/// tower that reads clips gets 2 s in as many frames as it was trained on, at most 16 (its cost
/// grows faster than they do); other models get frames by themselves, and over --clip SECONDS 8 of
/// them. 0 seconds: frames by themselves. Throws UsageError for several frames over 0 s.
ClipShape clip_shape(const WatchWishes& wishes, size_t trained);

/// Opens a model file of Sterna's, or somebody else's checkpoint (a folder, or converted), to be
/// watched with; what it returns owns it, and a Session of `common.threads`.
///   Sterna's     embeds the answer to the prompt, says what it answers
///   two towers   say the answer nearest to the picture, as CheckpointModel::decode() does
///   open-vljepa  the same of what is predicted for the prompt, or for its own question
///   one tower    says where a change is: text "" and confidence 0. So do two without answers.
/// Throws UsageError for what the model can't do: a prompt without a predictor, or answers without
/// a tower of texts;
/// Error for files at fault.
WatchModel open_watch_model(const std::filesystem::path& path, const Common& common,
                            const WatchWishes& wishes);

}  // namespace sterna::cli
