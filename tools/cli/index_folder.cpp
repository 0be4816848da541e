#include "cli/index_folder.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "cli/file.h"
#include "cli/sha256.h"
#include "cli/text.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr char kFormat[] = "sterna-index";
constexpr int kVersion = 1;
constexpr uint64_t kMostDescription = uint64_t{1} << 20;  // bytes of index.json
// Vectors are handed to FAISS in portions, and it learns its cells from at most this many.
constexpr size_t kPortion = 16'384;
constexpr size_t kMostTraining = 262'144;

/// A file that index.json names: in its folder, and with the hash it gives.
fs::path checked_file(const fs::path& folder, const Json& json, const char* key) {
  const std::string name = json.at(key).at("file");
  if (name.empty() || name.find('/') != std::string::npos || name[0] == '.') {
    throw Error((folder / "index.json").string() + ": \"" + name + "\" is no name of a file");
  }
  const fs::path file = folder / name;
  if (hex(sha256_file(file.string())) != json.at(key).at("sha256")) {
    throw Error(file.string() + ": expected the content that index.json describes, found another");
  }
  return file;
}

/// Whether a save() gave a file this name: vectors-N.faiss, manifest-N.jsonl.
bool is_numbered(std::string_view name) {
  using Ends = std::pair<std::string_view, std::string_view>;
  for (const auto& [begin, end] : {Ends{"vectors-", ".faiss"}, Ends{"manifest-", ".jsonl"}}) {
    if (!name.starts_with(begin) || !name.ends_with(end)) continue;
    if (name.size() <= begin.size() + end.size()) continue;
    const auto number = name.substr(begin.size(), name.size() - begin.size() - end.size());
    if (number.find_first_not_of("0123456789") == number.npos) return true;
  }
  return false;
}

std::vector<float> gather(const NpyMatrix& vectors, size_t first, size_t count, size_t step) {
  std::vector<float> out;
  out.reserve(count * vectors.cols());
  for (size_t i = 0; i < count; ++i) {
    const auto row = vectors.row(first + i * step);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

}  // namespace

void expect_index_or_free(const fs::path& folder) {
  const fs::path description = folder / "index.json";
  if (std::ifstream in(description, std::ios::binary); in) {
    const Json json = Json::parse(in, nullptr, false);
    if (json.is_object() && json.value("format", Json()) == kFormat &&
        json.value("generation", Json()).is_number_unsigned()) {
      return;
    }
    throw Error(description.string() + ": is there, and does not describe an index");
  }
  std::error_code none;
  const bool embedded = fs::exists(folder / "new.meta.json", none);
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    const bool stopped =  // what an `index build` that was stopped leaves
        name == "lock" || is_numbered(name) ||
        (name.starts_with("new.") && (embedded || name.ends_with(".part")));
    if (!stopped) {
      throw Error(folder.string() + ": expected an index or an empty folder, found \"" +
                  printable(name) + "\" in it");
    }
  }
}

std::vector<IndexEntry> read_manifest(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(file.string() + ": can't be opened");
  std::vector<IndexEntry> entries;
  size_t number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    const auto fail = [&](const char* fault) {
      throw Error(file.string() + ":" + std::to_string(number) + ": " + fault);
    };
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) fail("expected a JSON object");
    if (line.contains("error")) continue;
    try {
      if (line.at("row") != entries.size()) fail("expected the next row");
      IndexEntry entry{name_of(line, "input"), line.at("sha256"), line.value("gone", false)};
      Digest digest;
      if (!parse_digest(entry.sha256, digest)) fail("\"sha256\" is none");
      entries.push_back(std::move(entry));
    } catch (const nlohmann::json::exception&) {
      fail("expected \"row\", \"input\" and \"sha256\"");
    }
  }
  return entries;
}

IndexFolder IndexFolder::create(const fs::path& folder, size_t dim, std::string type,
                                Json settings) {
  IndexFolder made;
  made.folder_ = folder;
  made.index_ = create_index(dim, type);
  made.type_ = std::move(type);
  made.settings_ = std::move(settings);
  // A new index may replace an old one: its files must not get the old ones' names.
  std::ifstream in(folder / "index.json", std::ios::binary);
  if (in) made.generation_ = Json::parse(in, nullptr, false).value("generation", uint64_t{0});
  return made;
}

IndexFolder IndexFolder::open(const fs::path& folder) {
  const std::string description = (folder / "index.json").string();
  std::vector<std::byte> bytes, later;
  read_file(description, kMostDescription, bytes);
  for (;;) {
    try {
      return open_described(folder, bytes);
    } catch (const Error&) {
      // A save takes the files away that it replaces: then there is another description now.
      read_file(description, kMostDescription, later);
      if (later == bytes) throw;
      bytes.swap(later);
    }
  }
}

IndexFolder IndexFolder::open_described(const fs::path& folder, std::span<const std::byte> bytes) {
  const fs::path description = folder / "index.json";
  IndexFolder opened;
  opened.folder_ = folder;
  try {
    const auto* text = reinterpret_cast<const char*>(bytes.data());
    const Json json = Json::parse(text, text + bytes.size());
    if (json.at("format") != kFormat) throw Error(description.string() + ": describes no index");
    if (json.at("version") != kVersion) {
      throw Error(description.string() + ": expected version " + std::to_string(kVersion) +
                  ", found " + json.at("version").dump());
    }
    opened.type_ = json.at("type");
    opened.settings_ = json.at("settings");
    opened.generation_ = json.at("generation");
    const fs::path manifest = checked_file(folder, json, "manifest");
    const fs::path vectors = checked_file(folder, json, "vectors");
    for (IndexEntry& entry : read_manifest(manifest)) opened.append(std::move(entry));
    opened.index_ = open_index(vectors.string());
    if (opened.index_->rows() != opened.entries_.size() ||
        opened.index_->dim() != json.at("dim").get<size_t>()) {
      throw Error(folder.string() + ": the vectors and the manifest don't fit together");
    }
  } catch (const nlohmann::json::exception& e) {
    throw Error(description.string() + ": expected the description of an index, found none (" +
                e.what() + ")");
  }
  return opened;
}

const IndexEntry* IndexFolder::find(const std::string& input) const {
  const auto at = rows_.find(input);
  return at == rows_.end() ? nullptr : &entries_[at->second];
}

void IndexFolder::append(IndexEntry entry) {
  if (entry.gone) {
    ++gone_;
  } else {
    const auto [at, is_new] = rows_.try_emplace(entry.input, entries_.size());
    if (!is_new) {
      entries_[at->second].gone = true;
      ++gone_;
      at->second = entries_.size();
    }
  }
  entries_.push_back(std::move(entry));
}

void IndexFolder::add(const NpyMatrix& vectors, std::vector<IndexEntry> entries) {
  if (vectors.cols() != index_->dim() && vectors.rows() > 0) {
    throw Error(folder_.string() + ": expected vectors of " + std::to_string(index_->dim()) +
                " numbers, found " + std::to_string(vectors.cols()));
  }
  if (vectors.rows() != entries.size()) {
    throw Error(folder_.string() + ": expected a manifest of " + std::to_string(vectors.rows()) +
                " rows, found " + std::to_string(entries.size()));
  }
  if (vectors.rows() == 0) return;
  if (index_->needs_training()) {
    const size_t count = std::min(vectors.rows(), kMostTraining);
    index_->train(gather(vectors, 0, count, vectors.rows() / count));
  }
  for (size_t first = 0; first < vectors.rows(); first += kPortion) {
    index_->add(gather(vectors, first, std::min(kPortion, vectors.rows() - first), 1));
  }
  for (IndexEntry& entry : entries) append(std::move(entry));
}

std::vector<Hit> IndexFolder::search(std::span<const float> query, size_t top) const {
  std::vector<Hit> hits = index_->search(query, top + gone_);
  std::erase_if(
      hits, [&](const Hit& hit) { return hit.row >= entries_.size() || entries_[hit.row].gone; });
  if (hits.size() > top) hits.resize(top);
  return hits;
}

void IndexFolder::save() {
  fs::create_directories(folder_);
  const std::string number = std::to_string(generation_ + 1);
  const fs::path vectors = folder_ / ("vectors-" + number + ".faiss");
  const fs::path manifest = folder_ / ("manifest-" + number + ".jsonl");
  std::string lines;
  for (size_t i = 0; i < entries_.size(); ++i) {
    Json line{{"row", i}};
    put_name(line, "input", entries_[i].input);
    line["sha256"] = entries_[i].sha256;
    if (entries_[i].gone) line["gone"] = true;
    lines += to_line(line) + "\n";
  }
  write_file(manifest, lines);
  index_->save(vectors.string());
  sync_file(vectors);
  const auto described = [](const fs::path& file) {
    return Json{{"file", file.filename().string()}, {"sha256", hex(sha256_file(file.string()))}};
  };
  const Json json{{"format", kFormat},
                  {"version", kVersion},
                  {"generation", generation_ + 1},
                  {"type", type_},
                  {"dim", index_->dim()},
                  {"rows", live()},
                  {"vectors", described(vectors)},
                  {"manifest", described(manifest)},
                  {"settings", settings_}};
  write_file(folder_ / "index.json", json.dump(1) + "\n");
  ++generation_;
  for (const auto& entry : fs::directory_iterator(folder_)) {  // what nobody points at any more
    const fs::path& path = entry.path();
    if (is_numbered(path.filename().string()) && path != vectors && path != manifest)
      fs::remove(path);
  }
}

}  // namespace sterna::cli
