#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/http.h"

namespace sterna::cli {

/// A file of a repository, as the hub's listing has it.
struct HubFile {
  std::string name;  // relative, inside the folder: checked by safe_name()
  uint64_t bytes = 0;
  std::string sha256;  // of large files, in hexadecimal; else empty,
  std::string blob;    // and this is Git's SHA-1 of the blob, or empty where the hub tells none
};

/// Where to ask, and for what.
struct HubPlace {
  std::string endpoint;  // "https://HOST", without a slash at the end
  std::string repo;      // NAME or OWNER/NAME
  std::string revision;  // a branch, a tag or a commit
  std::string token;     // may be empty
};

struct HubListing {
  std::string commit;  // what the revision is now: files are fetched of this
  std::vector<HubFile> files;
};

/// Throws UsageError unless `repo` is one or two plain names, and Error unless `endpoint` is an
/// http or https URL; takes slashes off its end.
void check_place(HubPlace& place);

/// GET ENDPOINT/api/models/REPO/revision/REVISION?blobs=true, as huggingface_hub's model_info asks.
/// Tries again where the way fails. Throws Error naming the URL: no answer, a status, JSON that is
/// no listing, hostile names of files.
HubListing list_files(HttpClient& http, const HubPlace& place);

/// ENDPOINT/REPO/resolve/COMMIT/NAME.
std::string file_url(const HubPlace& place, const std::string& commit, const std::string& name);

/// Whether a name from elsewhere stays inside a folder: relative, no "." or ".." or empty part, no
/// backslash, colon or control character, valid UTF-8, at most 1024 bytes.
bool safe_name(const std::string& name);

/// What to say about an answer that isn't one of 200 or 206.
std::string status_text(const HttpAnswer& answer, bool token);

/// Seconds to wait before try `failures` + 1; longer where a Retry-After of the answer says so, but
/// never above 30.
double wait_seconds(size_t failures, const HttpAnswer& answer);
inline constexpr size_t kMostFailures = 5;  // in a row
/// Whether to ask again: the way failed, the hub is busy (408, 429) or ill (500 and above).
bool ask_again(const HttpAnswer& answer);

}  // namespace sterna::cli
