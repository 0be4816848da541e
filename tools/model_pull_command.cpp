#include <fnmatch.h>
#include <sterna/quant/error.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/download.h"
#include "cli/error.h"
#include "cli/http.h"
#include "cli/hub.h"
#include "cli/interrupt.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

/// What Sterna reads of a folder: settings, weights, words.
const std::vector<std::string> kUsual = {"*.json", "*.safetensors", "*.gguf", "*.txt", "*.model"};

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Options describe() {
  Options options(
      "model pull", "REPO [--revision R] [--to DIR] [OPTION...]",
      "Fetch a checkpoint's files from the hub that HF_ENDPOINT names.\n\n"
      "REPO is OWNER/NAME. Sizes and hashes are those of the hub's listing; a run that was cut\n"
      "short goes on where it was; files that are there unchanged stay.\n");
  options.add()("revision", "A branch, tag or commit",
                cxxopts::value<std::string>()->default_value("main"), "R")(
      "to", "The folder to fill (default: NAME, here)", cxxopts::value<std::string>(), "DIR")(
      "include", "Only files whose names match (several times: any of them)",
      cxxopts::value<std::vector<std::string>>(), "GLOB");
  options.epilogue(
      "Without --include: *.json, *.safetensors, *.gguf, *.txt, *.model. HF_TOKEN, if it is set, "
      "is\n"
      "sent to that hub alone. Nothing else of Sterna uses the\n"
      "network but watch, for the stream it is given.");
  return options;
}

/// The files to fetch, weights last: what is wrong with small ones shows at once.
std::vector<HubFile> choose(const HubListing& listing, const std::vector<std::string>& globs) {
  std::vector<HubFile> files;
  for (const HubFile& file : listing.files) {
    const auto fits = [&](const std::string& glob) {
      return fnmatch(glob.c_str(), file.name.c_str(), 0) == 0;
    };
    if (std::any_of(globs.begin(), globs.end(), fits)) files.push_back(file);
  }
  std::stable_sort(files.begin(), files.end(),
                   [](const HubFile& a, const HubFile& b) { return a.bytes < b.bytes; });
  return files;
}

/// "model.safetensors: 12.1 of 90.3 MB" at the bottom of a terminal, ten times a second.
class ByteProgress {
 public:
  void update(const HubFile& file, uint64_t bytes) {
    const auto now = std::chrono::steady_clock::now();
    if (!shown_ || now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    char text[64];
    std::snprintf(text, sizeof text, ": %.1f of %.1f MB", static_cast<double>(bytes) / 1e6,
                  static_cast<double>(file.bytes) / 1e6);
    progress_line(printable(file.name) + text);
  }
  ~ByteProgress() {
    if (shown_) progress_line("");
  }

 private:
  bool shown_ = isatty(STDERR_FILENO) != 0;
  std::chrono::steady_clock::time_point next_;
};

Json line_of(const HubFile& file, Fetched fetched) {
  Json line;
  put_name(line, "file", file.name);
  line["bytes"] = file.bytes;
  if (!file.sha256.empty()) line["sha256"] = file.sha256;
  line["fetched"] = fetched == Fetched::downloaded;
  return line;
}

}  // namespace

/// `sterna model pull REPO`.
int model_pull_command(int argc, char** argv) {
  Options options = describe();
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  if (options.positionals().size() != 1) throw UsageError("expected REPO, as OWNER/NAME");
  HubPlace place{variable("HF_ENDPOINT"), options.positionals()[0],
                 (*args)["revision"].as<std::string>(), variable("HF_TOKEN")};
  if (place.endpoint.empty()) {
    throw Error("HF_ENDPOINT is not set: it names the hub to fetch from, as in "
                "HF_ENDPOINT=https://HOST sterna model pull " + printable(place.repo));
  }
  check_place(place);
  const fs::path folder = args->count("to") != 0
                              ? fs::path((*args)["to"].as<std::string>())
                              : fs::path(place.repo.substr(place.repo.find('/') + 1));
  const auto globs = args->count("include") != 0
                         ? (*args)["include"].as<std::vector<std::string>>()
                         : kUsual;

  const auto http = make_http_client();
  const HubListing listing = list_files(*http, place);
  const std::vector<HubFile> files = choose(listing, globs);
  if (files.empty()) {
    std::string wanted;
    for (const std::string& glob : globs) wanted += (wanted.empty() ? "" : ", ") + glob;
    throw Error(place.repo + ": holds no files that match " + printable(wanted));
  }
  const InterruptGuard interrupt;
  size_t fetched = 0;
  uint64_t bytes = 0;
  for (const HubFile& file : files) {
    ByteProgress progress;
    const auto stop = [&](uint64_t have) {
      progress.update(file, have);
      return interrupt.requested() != 0;
    };
    try {
      const Fetched how = download(*http, file_url(place, listing.commit, file.name), file, folder,
                                   {.token = place.token, .stop = stop});
      fetched += how == Fetched::downloaded;
      bytes += file.bytes;
      if (common.json) print_line(to_line(line_of(file, how)));
    } catch (const DownloadStopped&) {
      message("stopped; the same command goes on from there");
      return interrupt.requested();
    } catch (const fs::filesystem_error& e) {
      throw Error(e.path1().string() + ": " + e.code().message());
    }
  }
  if (common.json) {
    Json line{{"summary", true}, {"repo", place.repo}};
    line["revision"] = place.revision;
    line["commit"] = listing.commit;
    put_name(line, "folder", folder.string());
    line["files"] = files.size();
    line["fetched"] = fetched;
    line["bytes"] = bytes;
    print_line(to_line(line));
  }
  char size[32];
  std::snprintf(size, sizeof size, "%.1f MB", static_cast<double>(bytes) / 1e6);
  message(folder.string() + ": " + std::to_string(files.size()) + " files, " + size + ", " +
          std::to_string(fetched) + " fetched, of commit " + listing.commit);
  return kDone;
}

}  // namespace sterna::cli
