#include "cli/download.h"

#include <nettle/sha1.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "cli/file.h"
#include "cli/sha256.h"
#include "cli/text.h"

namespace fs = std::filesystem;

namespace sterna::cli {
namespace {

/// Git's name of a blob: SHA-1 of "blob SIZE\0" and its bytes.
std::string blob_name(const fs::path& path, uint64_t size) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) throw Error(path.string() + ": can't be opened");
  sha1_ctx context;
  sha1_init(&context);
  const std::string head = "blob " + std::to_string(size);
  sha1_update(&context, head.size() + 1, reinterpret_cast<const uint8_t*>(head.c_str()));
  std::vector<uint8_t> piece(size_t{1} << 18);
  for (size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), file.get())) > 0;)
    sha1_update(&context, n, piece.data());
  if (std::ferror(file.get()) != 0) throw Error(path.string() + ": can't be read");
  uint8_t digest[SHA1_DIGEST_SIZE];
  sha1_digest(&context, sizeof digest, digest);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) text += {kDigits[byte >> 4], kDigits[byte & 15]};
  return text;
}

/// What is wrong with the hash of a file of the right size; nothing where it is right or none was
/// told.
std::optional<std::string> wrong_hash(const fs::path& path, const HubFile& file) {
  const std::string& expected = file.sha256.empty() ? file.blob : file.sha256;
  if (expected.empty()) return {};
  const std::string found =
      file.sha256.empty() ? blob_name(path, file.bytes) : hex(sha256_file(path.string()));
  if (found == expected) return {};
  return std::string(file.sha256.empty() ? "Git blob " : "SHA-256 ") + "expected " + expected +
         ", found " + found;
}

/// Makes the folders of `name` in `folder`. None of them may be a link, which might lead out.
void make_parents(const fs::path& folder, const fs::path& name) {
  fs::create_directories(folder);
  fs::path at = folder;
  for (const fs::path& part : name.parent_path()) {
    at /= part;
    if (fs::is_symlink(at)) throw Error(at.string() + ": expected a folder, found a link");
    fs::create_directory(at);
  }
  at = folder / name;
  if (fs::is_symlink(at)) throw Error(at.string() + ": expected a file, found a link");
}

/// The hash that the answer's X-Linked-Etag tells, if it tells one.
std::string linked_hash(const HttpAnswer& answer) {
  const auto at = answer.headers.find("x-linked-etag");
  if (at == answer.headers.end()) return {};
  std::string text = at->second;
  if (text.starts_with("W/")) text = text.substr(2);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  Digest digest;
  return parse_digest(text, digest) ? text : std::string();
}

/// Whether "bytes 10-99/100" begins at `offset`.
bool begins_at(const HttpAnswer& answer, uint64_t offset) {
  const auto at = answer.headers.find("content-range");
  return at != answer.headers.end() &&
         at->second.starts_with("bytes " + std::to_string(offset) + "-");
}

/// One file on its way.
class Download {
 public:
  Download(HttpClient& http, const std::string& url, const HubFile& file, const fs::path& target,
           const DownloadOptions& options)
      : http_(http), url_(url), file_(file), target_(target), options_(options) {
    const std::string& hash = file.sha256.empty() ? file.blob : file.sha256;
    const fs::path part =
        target.string() + "." + (hash.empty() ? "new" : hash.substr(0, 16)) + ".part";
    if (fs::is_symlink(part)) throw Error(part.string() + ": expected a file, found a link");
    part_ = GrowingFile(part);
    // Without a hash nothing says that what is there is of the same file.
    have_ = hash.empty() || part_.size() > file.bytes ? 0 : part_.size();
    part_.truncate(have_);
  }

  void run() {
    bool resumed = have_ > 0;
    while (true) {
      fetch();
      const auto wrong = wrong_hash(part_.path(), file_);
      if (!wrong) break;
      have_ = 0;
      part_.truncate(0);
      if (!resumed) fail(*wrong);
      resumed = false;  // what an earlier run left may have been broken: once more, from the start
    }
    part_.rename_to(target_);
  }

 private:
  /// What is there of the file stays for the next run, if anything is.
  [[noreturn]] void fail(const std::string& what) {
    if (have_ == 0) part_.remove();
    throw Error(printable(file_.name) + ": " + url_ + ": " + what);
  }

  [[noreturn]] void fail_size(const std::string& found) {
    have_ = 0;
    fail("expected " + std::to_string(file_.bytes) + " bytes, found " + found);
  }

  /// Asks until all bytes are there.
  void fetch() {
    constexpr size_t kMostTries = 1000;
    uint64_t reached = have_;
    for (size_t failures = 0, tries = 0; have_ < file_.bytes; ++tries) {
      bool answered = false, surplus = false;
      std::exception_ptr thrown;
      const auto take = [&](const HttpAnswer& now, std::span<const std::byte> piece) {
        try {
          if (!answered && !(answered = begin(now))) return false;
          surplus = piece.size() > file_.bytes - have_;
          if (surplus) return false;
          part_.write_at(have_, piece);
          have_ += piece.size();
          return !stopped();
        } catch (...) {
          thrown = std::current_exception();
          return false;
        }
      };
      const HttpAnswer answer =
          http_.get({url_, options_.token, have_, [&] { return stopped(); }}, take);
      if (thrown) std::rethrow_exception(thrown);
      if (stopped()) throw DownloadStopped{};
      if (surplus) fail_size("more");
      if (have_ >= file_.bytes) return;
      const bool cut = answer.fault.empty() && (answer.status == 200 || answer.status == 206);
      // The hub does not go on from here: what is there is of no use.
      const bool anew = answer.status == 416 || (cut && !answered);
      failures = have_ > reached ? 0 : failures + 1;
      reached = std::max(reached, have_);
      if (anew) {
        have_ = 0;
        part_.truncate(0);
      }
      if (failures >= kMostFailures || tries >= kMostTries ||
          !(cut || anew || ask_again(answer))) {
        if (cut || anew) fail_size(std::to_string(reached));
        fail(status_text(answer, !options_.token.empty()));
      }
      wait(wait_seconds(failures, answer));
    }
  }

  bool stopped() const { return options_.stop && options_.stop(have_); }

  void wait(double seconds) const {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    while (Clock::now() < end) {
      if (stopped()) throw DownloadStopped{};
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }

  /// At the first piece of an answer: whether it continues what is there, or starts anew.
  bool begin(const HttpAnswer& answer) {
    const std::string told = linked_hash(answer);
    if (!told.empty() && !file_.sha256.empty() && told != file_.sha256) {
      fail("X-Linked-Etag: expected " + file_.sha256 + " as in the listing, found " + told);
    }
    if (answer.status == 206) return have_ > 0 && begins_at(answer, have_);
    have_ = 0;  // 200: the whole file, whatever was asked for
    part_.truncate(0);
    return true;
  }

  HttpClient& http_;
  const std::string& url_;
  const HubFile& file_;
  const fs::path& target_;
  const DownloadOptions& options_;
  GrowingFile part_;
  uint64_t have_ = 0;
};

}  // namespace

Fetched download(HttpClient& http, const std::string& url, const HubFile& file,
                 const fs::path& folder, const DownloadOptions& options) {
  if (!safe_name(file.name)) throw Error(printable(file.name) + ": leads out of the folder");
  const fs::path target = folder / file.name;
  make_parents(folder, file.name);
  std::error_code none;
  const bool known = !file.sha256.empty() || !file.blob.empty();
  if (known && fs::is_regular_file(target, none) && fs::file_size(target, none) == file.bytes &&
      !wrong_hash(target, file)) {
    return Fetched::unchanged;
  }
  Download(http, url, file, target, options).run();
  return Fetched::downloaded;
}

}  // namespace sterna::cli
