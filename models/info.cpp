#include "sterna/models/info.h"

#include <array>
#include <cstdio>
#include <memory>
#include <type_traits>
#include <utility>

#include "checkpoint.h"
#include "sterna/models/gguf.h"
#include "sterna/models/mapped_file.h"
#include "sterna/models/safetensors.h"
#include "stored.h"
#include "text.h"
#include "towers.h"

namespace sterna::models {
namespace {

constexpr std::array part_names = {"predictor", "tower", "text", "table", "decoder", "other"};

Metadata entry(std::string_view key, std::string_view text) {
  return {std::string(key), in_quotes(text), {std::string(text)}};
}

Metadata entry(std::string_view key, const GgufValue& value) {
  return std::visit(
      [&](const auto& v) -> Metadata {
        using T = std::decay_t<decltype(v)>;
        const std::string name(key);
        if constexpr (std::is_same_v<T, bool>) {
          return {name, v ? "true" : "false", {v}};
        } else if constexpr (std::is_same_v<T, double>) {
          char text[32];
          std::snprintf(text, sizeof text, "%.6g", v);
          return {name, text, {v}};
        } else if constexpr (std::is_integral_v<T>) {
          return {name, std::to_string(v), {v}};
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          return entry(key, v);
        } else {
          Metadata array{name, "array of " + std::to_string(v.size()), {}, v.size()};
          if (v.size() > Metadata::kMostValues) return array;
          for (const typename T::value_type element : v) {
            if constexpr (std::is_same_v<typename T::value_type, std::string_view>)
              array.values.push_back(std::string(element));
            else
              array.values.push_back(element);
          }
          return array;
        }
      },
      value);
}

void finish(FileInfo& info) {
  std::array<Amount, part_names.size()> amounts;
  for (const TensorInfo& tensor : info.tensors) {
    amounts[static_cast<size_t>(tensor.part)] += tensor.amount;
    info.total += tensor.amount;
  }
  for (size_t i = 0; i < amounts.size(); ++i) {
    if (amounts[i].tensors != 0) info.parts.emplace_back(static_cast<Part>(i), amounts[i]);
  }
}

FileInfo describe(const Gguf& gguf) {
  FileInfo info;
  info.file = gguf.file();
  info.format = "GGUF v" + std::to_string(gguf.version());
  info.bytes = gguf.file_bytes();
  for (const auto& [key, value] : gguf.metadata()) {
    // Types and shapes of tensors are listed with the tensors.
    if (!key.starts_with("sterna.tensor.")) info.metadata.push_back(entry(key, value));
  }
  for (const GgufTensor& tensor : gguf.tensors()) {
    if (is_scale(gguf, tensor)) continue;
    const StoredTensor s = stored(gguf, tensor);
    info.tensors.push_back(
        {s.name, s.type(), s.shape, part_of(s.name), {1, s.elements(), s.bytes()},
         s.layout.has_value()});
  }
  return info;
}

TensorInfo describe(const SafeTensor& tensor, const std::string& prefix) {
  std::string type(name(tensor.dtype));
  for (char& c : type) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return {prefix + tensor.name,
          std::move(type),
          tensor.shape,
          part_of(tensor.name),
          {1, tensor.elements(), tensor.data.size()}};
}

FileInfo describe(const Safetensors& file) {
  FileInfo info;
  info.file = file.file();
  info.format = "safetensors";
  info.bytes = file.file_bytes();
  for (const auto& [key, value] : file.metadata())
    info.metadata.push_back(entry(key, std::string_view(value)));
  for (const SafeTensor& tensor : file.tensors()) info.tensors.push_back(describe(tensor, ""));
  return info;
}

/// Sets what the tensors of a folder or a converted file are there for, by binding them.
void assign_parts(const Source& source, FileInfo& info) {
  Roles roles;
  try {
    open_source(source, {.roles = &roles});
  } catch (const Error& e) {
    info.problem = e.what();
    roles.clear();
  }
  for (TensorInfo& tensor : info.tensors) {
    const auto at = roles.find(tensor.name);
    tensor.part = at == roles.end() ? Part::other : at->second.part;
    if (at == roles.end()) continue;
    const bool halves = tensor.type == "bf16" || tensor.type == "f16";
    const bool looked_up = at->second.use == Use::table && tensor.type == "f16";
    // bf16 of quant's layout is padded; plain halves are not.
    if (halves && !looked_up && !tensor.packed) info.widened += 4 * tensor.amount.weights;
  }
}

FileInfo describe_folder(const Source& source) {
  FileInfo info;
  info.file = source.name();
  info.format = "folder of safetensors";
  for (const Source& part : source.all()) {
    if (part.has("config.json")) {
      const std::string type = part.config("config.json").string("model_type", "");
      if (!type.empty())
        info.metadata.push_back(entry(part.prefix() + "model_type", std::string_view(type)));
    }
    if (!part.has_weights()) continue;
    const auto file = part.weights({});
    info.bytes += file->file_bytes();
    for (const auto& [name, tensor] : file->tensors())
      info.tensors.push_back(describe(tensor.plain, part.prefix()));
  }
  if (info.tensors.empty()) {
    throw Error(info.file + ": expected a file, or a folder with model.safetensors, found a "
                "directory without weights");
  }
  assign_parts(source, info);
  return info;
}

}  // namespace

std::string_view name(Part part) noexcept { return part_names[static_cast<size_t>(part)]; }

Part part_of(std::string_view tensor) noexcept {
  for (const std::string_view table : {"language.token_embedding", "language.position",
                                       "language.type", "vision.class_embedding"}) {
    if (tensor == table) return Part::table;
  }
  if (tensor.starts_with("predictor.")) return Part::predictor;
  if (tensor.starts_with("vision.")) return Part::tower;
  if (tensor.starts_with("language.")) return Part::text;
  for (const char* scope : {"decoder.", "generator.", "prefix."}) {
    if (tensor.starts_with(scope)) return Part::decoder;
  }
  return Part::other;
}

Amount& Amount::operator+=(const Amount& other) {
  tensors += other.tensors;
  weights += other.weights;
  bytes += other.bytes;
  return *this;
}

FileInfo describe(const std::filesystem::path& path) {
  std::error_code none;
  if (std::filesystem::is_directory(path, none)) {
    FileInfo info = describe_folder(Source::open(path));
    finish(info);
    return info;
  }
  const MappedFile map(path);
  return describe(map.file(), map.bytes());
}

FileInfo describe(const std::string& name, std::span<const std::byte> bytes) {
  const auto byte_at = [&](size_t i) {
    return i < bytes.size() ? static_cast<char>(bytes[i]) : '\0';
  };
  const char magic[] = {byte_at(0), byte_at(1), byte_at(2), byte_at(3)};
  FileInfo info;
  if (std::string_view(magic, 4) == "GGUF") {
    auto gguf = std::make_shared<const Gguf>(Gguf::parse(name, bytes));
    info = describe(*gguf);
    if (Source::is_converted(*gguf)) assign_parts(Source::of(std::move(gguf)), info);
  } else if (byte_at(8) == '{') {
    info = describe(Safetensors::parse(name, bytes));
  } else {
    throw Error(name + ": expected a GGUF or safetensors file, found something else");
  }
  finish(info);
  return info;
}

}  // namespace sterna::models
