#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "watch/source.h"

namespace sterna::cli {

/// How `sterna watch` was asked to read its inputs.
struct SourceWishes {
  std::optional<double> fps;       // frames looked at a second
  std::optional<std::string> raw;  // frames without header on standard input: RawFormat's text
  bool live = false;               // frames of a URL or of standard input come by themselves
  std::optional<double> patience;  // seconds to try to open a lost live source again
};

/// Opens what `inputs` name: standard input, a camera, a URL, a video, or pictures. Lost live
/// sources are told of as messages. Throws UsageError for wishes that the source can't take, Error
/// for one that can't be opened.
std::unique_ptr<FrameSource> open_source(const SourceWishes& wishes,
                                         const std::vector<std::string>& inputs,
                                         const StopAsked& stop);

}  // namespace sterna::cli
