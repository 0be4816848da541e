#include "watch/open_source.h"

#include <sterna/quant/error.h>
#include <unistd.h>

#include <filesystem>

#include "cli/error.h"
#include "cli/inputs.h"
#include "cli/output.h"
#include "watch/live_source.h"

namespace sterna::cli {
namespace {

/// A URL, or a file that does not look like a picture; one that is missing is told of as a video.
bool is_video(const std::string& name) {
  if (name.find("://") != name.npos) return true;
  std::error_code error;
  if (std::filesystem::exists(name, error)) {
    return !std::filesystem::is_directory(name, error) && !looks_like_picture(name);
  }
  return name.find_first_of("*?[@") == name.npos && !has_picture_extension(name);
}

}  // namespace

std::unique_ptr<FrameSource> open_source(const SourceWishes& wishes,
                                         const std::vector<std::string>& inputs,
                                         const StopAsked& stop) {
  const auto& [fps, raw, live, patience] = wishes;
  if (inputs.empty()) throw UsageError("expected a video, a camera, pictures, or - with --raw");
  const std::string& first = inputs[0];
  LiveSource::Config config;
  config.fps = fps.value_or(8);
  const auto tell = [](const std::string& line) { message(line); };
  if (raw || first == "-") {
    if (!raw || first != "-" || inputs.size() != 1) {
      throw UsageError("raw frames: expected - for standard input, together with --raw");
    }
    if (patience) throw UsageError("--patience: standard input can't be opened again");
    const RawFormat format = RawFormat::parse(*raw);
    if (!live) return std::make_unique<RawSource>(STDIN_FILENO, format, fps.value_or(8), stop);
    config.name = "standard input";
    config.patience = 0;  // what has ended can't be opened again
    config.endless = false;
    return std::make_unique<LiveSource>(config, open_raw(STDIN_FILENO, format, stop), stop, tell);
  }
  if (inputs.size() == 1 && (is_live(first) || (live && first.find("://") != first.npos))) {
    config.name = first;
    config.patience = patience.value_or(60);
    return std::make_unique<LiveSource>(config, open_video(first), stop, tell);
  }
  if (live) throw UsageError("--live: expected a camera, a URL, or - with --raw");
  if (patience) throw UsageError("--patience: expected a camera, or a URL with --live");
  if (inputs.size() == 1 && is_video(first)) {
    std::error_code error;  // OpenCV would try every backend, noisily
    if (std::filesystem::is_regular_file(first, error) &&
        std::filesystem::file_size(first, error) == 0) {
      throw Error(first + ": expected a video, found an empty file");
    }
    return std::make_unique<VideoSource>(first, fps.value_or(8), stop);
  }
  if (fps && *fps == 0) throw UsageError("--fps: pictures have no times of their own");
  return std::make_unique<PictureSource>(expand_inputs(inputs), fps.value_or(1), stop);
}

}  // namespace sterna::cli
