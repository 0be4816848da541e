#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "cli/http.h"
#include "cli/hub.h"

namespace sterna::cli {

enum class Fetched { unchanged, downloaded };

struct DownloadOptions {
  std::string token = {};
  /// Told how many bytes of the file are there, now and then while none arrive too; true: stop,
  /// what is there is kept. Must not throw.
  std::function<bool(uint64_t bytes)> stop = {};
};

/// Thrown when DownloadOptions::stop says so.
struct DownloadStopped {};

/// Brings `file` of `url` to folder / file.name, whose parents are made. A file that is there with
/// that size and hash stays. Bytes go to NAME.<hash>.part beside it, which an interrupted run
/// leaves and the next one goes on with; with size and hash right it is synced and renamed. A
/// connection that breaks is taken up where it was, up to kMostFailures times in a row. Throws
/// Error naming the file: a name that leads out of the folder by a link, a status, another size or
/// hash than was told (nothing is left of such bytes), a disk that is full.
Fetched download(HttpClient& http, const std::string& url, const HubFile& file,
                 const std::filesystem::path& folder, const DownloadOptions& options);

}  // namespace sterna::cli
