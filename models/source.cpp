#include "source.h"

#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "checkpoint.h"
#include "inner_folder.h"
#include "text.h"

namespace sterna::models {
namespace {

/// Whether anything is there, also what can't be read: a link that goes round in circles.
bool is_there(const std::filesystem::path& path) {
  std::error_code fault;
  return std::filesystem::exists(path, fault) || fault;
}

}  // namespace

std::string_view name(Use use) noexcept {
  constexpr std::array kNames = {"a linear map of a block", "a linear map", "a table",
                                 "plain numbers"};
  return kNames[static_cast<size_t>(use)];
}

bool Source::is_converted(const Gguf& file) {
  return file.has("general.architecture") &&
         file.string("general.architecture") == kArchitecture;
}

Source Source::of(std::shared_ptr<const Gguf> file) {
  constexpr uint64_t kVersion = 1;
  if (!is_converted(*file)) {
    throw Error(file->file() + ": metadata \"general.architecture\": expected " +
                in_quotes(kArchitecture) + ", found another");
  }
  file->integer("sterna.folder.version", kVersion, kVersion);
  Source source;
  source.name_ = file->file();
  source.gguf_ = std::move(file);
  return source;
}

Source Source::open(const std::filesystem::path& path) {
  std::error_code none;
  if (!std::filesystem::is_directory(path, none))
    return of(std::make_shared<const Gguf>(Gguf::open(path)));
  Source source;
  source.name_ = path.string();
  source.folder_ = path;
  return source;
}

std::string Source::where(std::string_view file) const {
  if (!gguf_) return (folder_ / file).string();
  return name_ + ": " + in_quotes(prefix_ + std::string(file));
}

bool Source::has(std::string_view file) const {
  if (gguf_) return gguf_->has(std::string(kFile) + prefix_ + std::string(file));
  return is_there(folder_ / file);
}

Source::Text Source::text(std::string_view file) const {
  if (!gguf_) {
    const auto map = std::make_shared<const MappedFile>(folder_ / file);
    return {map->bytes(), map};
  }
  const auto text = gguf_->string(std::string(kFile) + prefix_ + std::string(file));
  return {std::as_bytes(std::span(text)), gguf_};
}

Config Source::config(std::string_view file) const {
  return Config::parse(where(file), text(file).bytes);
}

std::vector<Config> Source::configs(std::string_view file) const {
  return Config::parse_list(where(file), text(file).bytes);
}

Source Source::inner(const Config& config, std::string_view key) const {
  Source inner(*this);
  const std::string name = config.string(key);
  if (!gguf_) {
    inner.folder_ = inner_folder(folder_, config, key);
    inner.name_ = inner.folder_.string();
  } else {
    expect_inside(config, key, name);
  }
  const std::string tidy = std::filesystem::path(name).lexically_normal().generic_string();
  if (tidy.empty() || tidy == ".") return inner;
  inner.prefix_ += tidy + (tidy.ends_with('/') ? "" : "/");
  if (gguf_) {
    const std::string below = std::string(kFile) + inner.prefix_;
    const auto at = gguf_->metadata().lower_bound(below);
    if (at == gguf_->metadata().end() || !at->first.starts_with(below))
      config.fail(key, "a folder that was converted");
  }
  return inner;
}

Source Source::part(std::string_view name) const {
  Source part(*this);
  if (name.empty()) return part;
  if (!gguf_) {
    part.folder_ /= name;
    part.name_ = part.folder_.string();
    std::error_code none;
    if (std::filesystem::is_symlink(part.folder_, none)) {
      if (const char* expected = folder_fault(folder_, name))
        throw Error(part.name_ + ": expected " + expected + ", found a link");
    }
  }
  part.prefix_ += std::string(name) + "/";
  part.texts_alone_ = true;
  return part;
}

std::vector<Source> Source::all() const {
  std::vector<Source> all;
  collect(all);
  return all;
}

void Source::collect(std::vector<Source>& all) const {
  for (const Source& known : all)
    if (known.prefix_ == prefix_) return;
  all.push_back(*this);
  if (has("sterna.json")) {
    const Config composed = config("sterna.json");
    for (const char* part : {"vision", "text", "predictor"}) inner(composed, part).collect(all);
  }
  for (const char* name : {"predictor", "y_encoder"}) {
    // Of a sterna.json they are known by now.
    if (const Source inside = part(name); inside.has("tokenizer.json")) inside.collect(all);
  }
  if (!has("modules.json")) return;
  for (const Config& module : configs("modules.json")) {
    // Modules that have nothing to say (Normalize) may come without a folder.
    const std::string path = module.string("path", "");
    if (!path.empty() && is_there(folder_ / path))
      inner(module, "path").collect(all);
  }
}

bool Source::has_weights() const {
  return gguf_ ||
         (!texts_alone_ && (has("model.safetensors") || has("model.safetensors.index.json")));
}

std::unique_ptr<Checkpoint> Source::weights(const Opening& opening) const {
  if (gguf_) return std::make_unique<Checkpoint>(gguf_, prefix_, opening);
  return std::make_unique<Checkpoint>(folder_, opening, prefix_);
}

}  // namespace sterna::models
