#include "cli/vector_store.h"

#include <sterna/models/atomic_file.h>
#include <sterna/quant/error.h>
#include <sterna/quant/fnv1a.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>

#include "cli/error.h"
#include "cli/manifest.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr auto kBetweenCheckpoints = std::chrono::seconds(2);
constexpr size_t kMostPendingFloats = size_t{1} << 22;  // 16 MiB

fs::path part(const fs::path& path) { return path.string() + ".part"; }

Json read_json(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return Json::parse(in, nullptr, /*allow_exceptions=*/false);
}

/// A file's number, size and times of change, hashed (FNV-1a, 64 bits): another one if another file
/// has its name now, or it was written since. 0 if there is no such file. The disk's number is left
/// out, for a disk that is mounted again may get another.
uint64_t file_hash(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return 0;
  const std::array<int64_t, 6> parts{int64_t(info.st_ino),         info.st_size,
                                     int64_t{info.st_mtim.tv_sec}, int64_t{info.st_mtim.tv_nsec},
                                     int64_t{info.st_ctim.tv_sec}, int64_t{info.st_ctim.tv_nsec}};
  return quant::fnv1a(std::as_bytes(std::span(parts)));
}

std::vector<uint64_t> read_numbers(const fs::path& path, uint64_t bytes) {
  std::vector<uint64_t> numbers(bytes / 8);
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(numbers.data()),
          static_cast<std::streamsize>(numbers.size() * sizeof numbers[0]));
  if (!in) numbers.clear();
  return numbers;
}

template <class T>
std::span<const std::byte> bytes_of(const T& container) {
  return std::as_bytes(std::span(container.data(), container.size()));
}

/// A member of a manifest line, if it is there with that type; the line may be anything.
std::optional<std::string> text_member(const Json& line, const char* key) {
  if (!line.is_object() || !line.contains(key) || !line[key].is_string()) return std::nullopt;
  return line[key].get<std::string>();
}

std::optional<uint64_t> number_member(const Json& line, const char* key) {
  if (!line.is_object() || !line.contains(key) || !line[key].is_number_unsigned()) {
    return std::nullopt;
  }
  return line[key].get<uint64_t>();
}

/// Shortest decimals that read back as the same floats.
void append_numbers(std::string& out, std::span<const float> values) {
  char text[32];
  for (size_t i = 0; i < values.size(); ++i) {
    const auto [end, error] = std::to_chars(text, text + sizeof text, values[i]);
    if (i > 0) out += ',';
    out.append(text, end);
  }
}

}  // namespace

std::string vector_line(const Json& line, std::span<const float> vector) {
  std::string text = to_line(line);
  text.pop_back();
  text += ",\"embedding\":[";
  append_numbers(text, vector);
  return text + "]}";
}

StorePaths::StorePaths(const fs::path& output) : vectors(output), manifest(output), meta(output) {
  if (output.extension() != ".npy" && output.extension() != ".jsonl") {
    throw UsageError("-o: expected a name ending in .npy or .jsonl, found \"" + output.string() +
                     "\"");
  }
  inline_vectors = output.extension() == ".jsonl";
  vectors.replace_extension(".npy");
  manifest.replace_extension(".jsonl");
  meta.replace_extension(".meta.json");
}

VectorStore::VectorStore(const StorePaths& paths, size_t dim, Json settings,
                         const std::vector<std::string>& inputs, bool input_is_file, bool fresh)
    : paths_(paths),
      dim_(dim),
      settings_(std::move(settings)),
      input_is_file_(input_is_file),
      next_checkpoint_(std::chrono::steady_clock::now() + kBetweenCheckpoints) {
  // A manifest of a run that was stopped while outputs were exchanged has no meta file.
  if (!paths.inline_vectors && !fs::exists(paths.meta)) expect_manifest(paths.manifest);
  vectors_ = GrowingFile(part(paths.vectors));
  manifest_ = GrowingFile(part(paths.manifest));
  seen_ = GrowingFile(part(fs::path(paths.manifest).replace_extension(".seen")));
  if (!fresh) {
    load_earlier();
    resume(inputs);
  }
  seen_.truncate(seen_end_);
  manifest_.truncate(manifest_end_);
  vectors_.truncate(vectors_end_);
  vectors_.write_at(0, bytes_of(npy_header(rows_, dim_)));
  write_file(part(paths_.meta), settings_.dump() + "\n");
}

/// Finished outputs are of use if they fit together and were made with the same settings. A
/// manifest that was edited since, or belongs to another .npy, only costs the time to start anew.
void VectorStore::load_earlier() {
  if (paths_.inline_vectors || !fs::exists(paths_.vectors)) return;
  const Json meta = read_json(paths_.meta);
  if (!meta.is_object() || meta.value("settings", Json()) != settings_) return;
  try {
    earlier_.emplace(paths_.vectors);
  } catch (const Error&) {
    return;
  }
  if (earlier_->cols() != dim_ || number_member(meta, "rows") != earlier_->rows()) {
    earlier_.reset();
    return;
  }
  std::ifstream in(paths_.manifest, std::ios::binary);
  for (std::string text; std::getline(in, text);) {
    const Json line = Json::parse(text, nullptr, false);
    const auto row = number_member(line, "row");
    const auto sha = text_member(line, "sha256");
    Digest digest;
    if (row && *row < earlier_->rows() && sha && parse_digest(*sha, digest)) {
      earlier_rows_.emplace_back(digest, *row);
    }
  }
  std::sort(earlier_rows_.begin(), earlier_rows_.end());
}

/// Keeps of the partial files what the first inputs of this run would write again: the same names
/// in the same order, of the same files, none changed since; of those that failed too.
void VectorStore::resume(const std::vector<std::string>& inputs) {
  if (read_json(part(paths_.meta)) != settings_) return;
  const uint64_t size = vectors_.size();
  const uint64_t row_bytes = dim_ * sizeof(float);
  const uint64_t available = size < kNpyHeaderBytes ? 0 : (size - kNpyHeaderBytes) / row_bytes;
  const std::vector<uint64_t> seen = read_numbers(seen_.path(), seen_.size());
  std::ifstream in(manifest_.path(), std::ios::binary);
  for (std::string text; resumed_ < inputs.size() && std::getline(in, text) && !in.eof();) {
    const Json line = Json::parse(text, nullptr, false);
    const std::string& input = inputs[resumed_];
    Json expected;
    put_name(expected, "input", input);
    if (text_member(line, "input") != text_member(expected, "input") ||
        text_member(line, "input_bytes") != text_member(expected, "input_bytes")) {
      break;
    }
    if (resumed_ >= seen.size() || seen[resumed_] != file_of(input)) break;
    if (line.contains("error")) {
      ++failed_;
    } else if (number_member(line, "row") == rows_ && rows_ < available) {
      ++rows_;
    } else {
      break;
    }
    manifest_end_ += text.size() + 1;
    ++resumed_;
  }
  vectors_end_ = kNpyHeaderBytes + rows_ * row_bytes;
  seen_end_ = 8 * resumed_;
}

uint64_t VectorStore::file_of(const std::string& input) const {
  return input_is_file_ ? file_hash(input) : 0;
}

std::optional<std::span<const float>> VectorStore::find(const Digest& digest) const {
  const auto at =
      std::lower_bound(earlier_rows_.begin(), earlier_rows_.end(), std::pair(digest, uint64_t{0}));
  if (at == earlier_rows_.end() || at->first != digest) return std::nullopt;
  return earlier_->row(at->second);
}

void VectorStore::add_line(const std::string& input, const Json& line) {
  pending_lines_ += to_line(line) + "\n";
  pending_seen_.push_back(file_of(input));
  if (pending_vectors_.size() >= kMostPendingFloats ||
      std::chrono::steady_clock::now() >= next_checkpoint_) {
    checkpoint();
  }
}

void VectorStore::add_row(const std::string& input, const Digest& digest,
                          std::span<const float> vector) {
  Json line{{"row", rows_}};
  put_name(line, "input", input);
  line["sha256"] = hex(digest);
  ++rows_;
  pending_vectors_.insert(pending_vectors_.end(), vector.begin(), vector.end());
  add_line(input, line);
}

void VectorStore::add_failure(const std::string& input, const std::string& error) {
  Json line = Json::object();
  put_name(line, "input", input);
  line["error"] = error;
  ++failed_;
  add_line(input, line);
}

void VectorStore::checkpoint() {
  // Rows before the lines that speak of them, the count in the header last: at any moment the
  // files hold at least the rows they promise.
  vectors_.write_at(vectors_end_, bytes_of(pending_vectors_));
  vectors_end_ += bytes_of(pending_vectors_).size();
  vectors_.write_at(0, bytes_of(npy_header(rows_, dim_)));
  vectors_.sync();
  seen_.write_at(seen_end_, bytes_of(pending_seen_));
  seen_end_ += bytes_of(pending_seen_).size();
  seen_.sync();
  manifest_.write_at(manifest_end_, bytes_of(pending_lines_));
  manifest_end_ += pending_lines_.size();
  manifest_.sync();
  pending_vectors_.clear();
  pending_lines_.clear();
  pending_seen_.clear();
  next_checkpoint_ = std::chrono::steady_clock::now() + kBetweenCheckpoints;
}

/// OUT.jsonl with the vectors in its lines.
void VectorStore::merge_vectors() {
  std::optional<NpyMatrix> vectors;
  if (rows_ > 0) vectors.emplace(vectors_.path());
  models::AtomicFile out(paths_.manifest);
  std::ifstream in(manifest_.path(), std::ios::binary);
  for (std::string text; std::getline(in, text);) {
    const Json line = Json::parse(text);
    if (line.contains("row")) text = vector_line(line, vectors->row(line["row"]));
    text += '\n';
    out.write(bytes_of(text));
  }
  out.commit();
}

bool VectorStore::finish() {
  checkpoint();
  const fs::path& output = paths_.inline_vectors ? paths_.manifest : paths_.vectors;
  const bool kept = rows_ == 0 && failed_ > 0 && fs::exists(output);
  earlier_.reset();
  earlier_rows_.clear();
  // While the outputs are exchanged there is no meta file, so that a crash in between can't make a
  // later run trust rows beside another run's manifest; nor is there one of an OUT.npy whose
  // manifest an OUT.jsonl replaces.
  if (!kept) fs::remove(paths_.meta);
  if (!kept && paths_.inline_vectors) merge_vectors();
  if (kept || paths_.inline_vectors) {
    vectors_.remove();
    manifest_.remove();
  } else {
    vectors_.rename_to(paths_.vectors);
    manifest_.rename_to(paths_.manifest);
    const Json meta{{"settings", settings_}, {"rows", rows_}, {"failed", failed_}};
    write_file(paths_.meta, meta.dump(1) + "\n");
  }
  seen_.remove();
  fs::remove(part(paths_.meta));
  return !kept;
}

}  // namespace sterna::cli
