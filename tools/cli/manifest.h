#pragma once

#include <filesystem>

namespace sterna::cli {

/// Of files that a run will replace when it ends: throws Error now for what is no file (a folder, a
/// device).
void expect_replaceable(const std::filesystem::path& path);

/// The same of OUT.jsonl beside OUT.npy, which the command line does not name: it must be missing,
/// empty or a manifest, of `embed` or `watch`. A manifest has a line for each input or frame, with
/// its "row" or an "error".
void expect_manifest(const std::filesystem::path& path);

}  // namespace sterna::cli
