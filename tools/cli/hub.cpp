#include "cli/hub.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "cli/error.h"
#include "cli/text.h"

namespace sterna::cli {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostListing = size_t{64} << 20, kMostFiles = 100000;

bool plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '.' || c == '~';
}

std::string encoded(const std::string& text, bool keep_slashes) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (plain(c) || (c == '/' && keep_slashes)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

bool is_hex(const std::string& text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

[[noreturn]] void no_listing(const std::string& url, const std::string& what) {
  throw Error(url + ": expected a repository's listing, found " + what);
}

/// A text member, "" where it is absent or another thing.
std::string text_of(const Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

HubFile read_file_of(const std::string& url, const Json& item) {
  HubFile file;
  file.name = item.is_object() ? text_of(item, "rfilename") : "";
  if (!safe_name(file.name)) no_listing(url, "the file name \"" + printable(file.name) + "\"");
  const auto lfs = item.find("lfs");
  const bool large = lfs != item.end() && lfs->is_object();
  const Json& sized = large && lfs->contains("size") ? *lfs : item;
  if (!sized.contains("size") || !sized["size"].is_number_unsigned())
    no_listing(url, "no size of " + printable(file.name));
  file.bytes = sized["size"].get<uint64_t>();
  if (large) file.sha256 = text_of(*lfs, lfs->contains("sha256") ? "sha256" : "oid");
  file.blob = large ? "" : text_of(item, "blobId");
  if ((large && !is_hex(file.sha256, 64)) || (!file.blob.empty() && !is_hex(file.blob, 40)))
    no_listing(url, "no hash of " + printable(file.name));
  return file;
}

HubListing parse(const std::string& url, const std::string& text) {
  const auto shallow = [](int depth, Json::parse_event_t, Json&) {
    if (depth > 32) throw Error("nested too deep");
    return true;
  };
  Json json;
  try {
    json = Json::parse(text, shallow);
  } catch (const std::exception&) {
    no_listing(url, "no JSON");
  }
  HubListing listing;
  if (!json.is_object()) no_listing(url, "other JSON");
  listing.commit = text_of(json, "sha");
  if (!is_hex(listing.commit, 40)) no_listing(url, "no commit (\"sha\")");
  const auto siblings = json.find("siblings");
  if (siblings == json.end() || !siblings->is_array() || siblings->size() > kMostFiles)
    no_listing(url, "no list of files (\"siblings\")");
  std::set<std::string> names;
  for (const Json& item : *siblings) {
    listing.files.push_back(read_file_of(url, item));
    if (!names.insert(listing.files.back().name).second)
      no_listing(url, "the file name \"" + printable(listing.files.back().name) + "\" twice");
  }
  return listing;
}

}  // namespace

void check_place(HubPlace& place) {
  const std::string& repo = place.repo;
  const size_t slash = repo.find('/');
  const auto good = [](const std::string& part) {
    return !part.empty() && part.size() <= 96 && std::all_of(part.begin(), part.end(), plain) &&
           part[0] != '.' && part[0] != '-' && part.find("..") == std::string::npos;
  };
  const bool fits = slash == std::string::npos
                        ? good(repo)
                        : good(repo.substr(0, slash)) && good(repo.substr(slash + 1));
  if (!fits) throw UsageError("expected NAME or OWNER/NAME, found \"" + printable(repo) + "\"");
  if (place.revision.empty()) throw UsageError("--revision: expected a branch, tag or commit");
  std::string& url = place.endpoint;
  while (url.ends_with('/')) url.pop_back();
  const bool http = url.starts_with("http://") || url.starts_with("https://");
  if (!http || url.find_first_of(" \t\r\n\"?#") != std::string::npos)
    throw Error("HF_ENDPOINT: expected http://HOST or https://HOST, found \"" + printable(url) +
                "\"");
}

std::string file_url(const HubPlace& place, const std::string& commit, const std::string& name) {
  return place.endpoint + "/" + place.repo + "/resolve/" + commit + "/" + encoded(name, true);
}

bool safe_name(const std::string& name) {
  if (name.empty() || name.size() > 1024 || !is_utf8(name)) return false;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) < 32 || c == 127 || c == '\\' || c == ':') return false;
  }
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.size() > 200) return false;
    begin = end + 1;
  }
  return true;
}

std::string status_text(const HttpAnswer& answer, bool token) {
  if (!answer.fault.empty()) return answer.fault;
  switch (answer.status) {
    case 401:
    case 403:
      return "not allowed (status " + std::to_string(answer.status) + ")" +
             (token ? ": HF_TOKEN does not open it" : ": a private or gated one needs HF_TOKEN");
    case 404:
      return "not there (status 404)";
    default:
      return "status " + std::to_string(answer.status);
  }
}

bool ask_again(const HttpAnswer& answer) {
  if (!answer.fault.empty()) return answer.again;
  return answer.status == 408 || answer.status == 429 || answer.status >= 500;
}

double wait_seconds(size_t failures, const HttpAnswer& answer) {
  const double usual = 0.1 * static_cast<double>(size_t{1} << std::min<size_t>(failures, 8));
  const auto at = answer.headers.find("retry-after");
  const double asked = at == answer.headers.end() ? 0 : std::atof(at->second.c_str());
  return std::clamp(std::max(usual, asked), 0.1, 30.0);
}

HubListing list_files(HttpClient& http, const HubPlace& place) {
  const std::string url = place.endpoint + "/api/models/" + place.repo + "/revision/" +
                          encoded(place.revision, false) + "?blobs=true";
  for (size_t failures = 0;; ++failures) {
    std::string text;
    const HttpAnswer answer = http.get(
        {url, place.token}, [&](const HttpAnswer&, std::span<const std::byte> piece) {
          text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
          return text.size() <= kMostListing;
        });
    if (text.size() > kMostListing) no_listing(url, "more than 64 MB");
    if (answer.fault.empty() && answer.status == 200) return parse(url, text);
    if (!ask_again(answer) || failures + 1 >= kMostFailures)
      throw Error(url + ": " + status_text(answer, !place.token.empty()));
    std::this_thread::sleep_for(std::chrono::duration<double>(wait_seconds(failures, answer)));
  }
}

}  // namespace sterna::cli
