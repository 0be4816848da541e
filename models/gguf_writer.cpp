#include "sterna/models/gguf_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <type_traits>

#include "gguf_parser.h"
#include "text.h"

namespace sterna::models {
namespace {

using Bytes = std::vector<std::byte>;

void put(Bytes& out, std::span<const std::byte> bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <class T>
void put(Bytes& out, T value) {
  put(out, std::as_bytes(std::span(&value, 1)));
}

void put_string(Bytes& out, std::string_view text) {
  put(out, uint64_t{text.size()});
  put(out, std::as_bytes(std::span(text)));
}

// The narrowest of a long and a short kind that holds every element exactly.
template <class Short, class Long>
bool all_fit(std::span<const Long> values) {
  for (const Long v : values) {
    if constexpr (std::is_same_v<Long, double>) {
      // Out of float's range the cast itself is undefined; NaN and infinities convert.
      const bool finite_range =
          !(v < -std::numeric_limits<float>::max() || v > std::numeric_limits<float>::max());
      if (!finite_range && v - v == 0) return false;
      if (static_cast<double>(static_cast<Short>(v)) != v && v == v) return false;
    } else if (v < std::numeric_limits<Short>::min() || v > std::numeric_limits<Short>::max()) {
      return false;
    }
  }
  return true;
}

template <class Short, class Long>
void put_numbers(Bytes& out, std::span<const Long> values, bool array, GgufKind short_kind,
                 GgufKind long_kind) {
  const bool fits = all_fit<Short>(values);
  if (array) put(out, GgufKind::array);
  put(out, fits ? short_kind : long_kind);
  if (array) put(out, uint64_t{values.size()});
  for (const Long v : values) {
    if (fits) {
      put(out, static_cast<Short>(v));
    } else {
      put(out, v);
    }
  }
}

void put_scalars(Bytes& out, std::span<const int64_t> v, bool array) {
  put_numbers<int32_t>(out, v, array, GgufKind::i32, GgufKind::i64);
}
void put_scalars(Bytes& out, std::span<const uint64_t> v, bool array) {
  put_numbers<uint32_t>(out, v, array, GgufKind::u32, GgufKind::u64);
}
void put_scalars(Bytes& out, std::span<const double> v, bool array) {
  put_numbers<float>(out, v, array, GgufKind::f32, GgufKind::f64);
}

void put_value(Bytes& out, const GgufValue& value) {
  std::visit(
      [&](const auto& v) {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          put(out, GgufKind::boolean);
          put(out, static_cast<uint8_t>(v));
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          put(out, GgufKind::string);
          put_string(out, v);
        } else if constexpr (std::is_arithmetic_v<T>) {
          put_scalars(out, std::span<const T>(&v, 1), false);
        } else if constexpr (std::is_same_v<T, std::vector<bool>>) {
          put(out, GgufKind::array);
          put(out, GgufKind::boolean);
          put(out, uint64_t{v.size()});
          for (const bool b : v) put(out, static_cast<uint8_t>(b));
        } else if constexpr (std::is_same_v<T, std::vector<std::string_view>>) {
          put(out, GgufKind::array);
          put(out, GgufKind::string);
          put(out, uint64_t{v.size()});
          for (const std::string_view s : v) put_string(out, s);
        } else {
          put_scalars(out, std::span<const typename T::value_type>(v), true);
        }
      },
      value);
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path) : file_(path.string()), out_(path) {
  set("general.alignment", uint64_t{alignment});
}

void GgufWriter::key(std::string_view key) {
  if (begun_) throw Error(file_ + ": metadata " + in_quotes(key) + ": set after the first data");
  if (key.empty() || key.size() > 65535) {
    throw Error(file_ + ": metadata " + in_quotes(key) +
                ": expected a key of 1 to 65535 bytes, found " + std::to_string(key.size()));
  }
  if (!keys_.emplace(key).second)
    throw Error(file_ + ": metadata " + in_quotes(key) + ": set twice");
  put_string(metadata_, key);
}

void GgufWriter::set(std::string_view name, const GgufValue& value) {
  key(name);
  put_value(metadata_, value);
}

void GgufWriter::copy(std::string_view name, const Gguf& from) {
  const auto encoded = from.encoded(name);
  key(name);
  put(metadata_, encoded);
}

void GgufWriter::declare(std::string_view name, GgmlType type, std::span<const uint64_t> shape) {
  const std::string where = file_ + ": tensor " + in_quotes(name) + ": ";
  if (begun_) throw Error(where + "declared after the first data");
  // GGML_MAX_NAME is 64 with the final zero; llama.cpp refuses longer names.
  if (name.empty() || name.size() > 63) {
    throw Error(where + "expected a name of 1 to 63 bytes, found " + std::to_string(name.size()));
  }
  const auto info = ggml_type_info(type);
  if (!info) throw Error(where + "unknown " + ggml_type_name(type));
  if (shape.size() > 4)
    throw Error(where + "expected at most 4 dimensions, found " + shape_text(shape));
  uint64_t bytes = info->bytes, row = shape.empty() ? 1 : shape.back();
  bool fits = row % info->block == 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const uint64_t factor = i + 1 == shape.size() ? shape[i] / info->block : shape[i];
    fits = fits && factor != 0 && !__builtin_mul_overflow(bytes, factor, &bytes);
  }
  if (!fits || bytes > UINT64_MAX / 2 - offset_) {
    throw Error(where + "expected a possible shape for " + std::string(info->name) + ", found " +
                shape_text(shape));
  }
  if (!names_.emplace(name).second) throw Error(where + "declared twice");
  put_string(infos_, name);
  put(infos_, static_cast<uint32_t>(shape.size()));
  for (size_t i = shape.size(); i-- > 0;) put(infos_, shape[i]);
  put(infos_, static_cast<uint32_t>(type));
  put(infos_, offset_);
  tensors_.push_back({std::string(name), bytes});
  offset_ += (bytes + alignment - 1) / alignment * alignment;
}

void GgufWriter::begin() {
  if (begun_) return;
  begun_ = true;
  Bytes header;
  put(header, std::as_bytes(std::span("GGUF", 4)));
  put(header, uint32_t{3});
  put(header, uint64_t{tensors_.size()});
  put(header, uint64_t{keys_.size()});
  out_.expect_room(header.size() + metadata_.size() + infos_.size() + alignment + offset_);
  out_.write(header);
  out_.write(metadata_);
  out_.write(infos_);
  out_.pad_to(alignment);
}

void GgufWriter::write(std::span<const std::byte> data) {
  begin();
  while (!data.empty()) {
    if (current_ == tensors_.size()) {
      throw Error(file_ + ": expected no more data, found " + std::to_string(data.size()) +
                  " bytes");
    }
    const size_t n =
        static_cast<size_t>(std::min<uint64_t>(data.size(), tensors_[current_].bytes - written_));
    out_.write(data.first(n));
    data = data.subspan(n);
    written_ += n;
    if (written_ < tensors_[current_].bytes) continue;
    out_.pad_to(alignment);
    ++current_;
    written_ = 0;
  }
}

void GgufWriter::commit() {
  begin();
  if (current_ != tensors_.size()) {
    throw Error(file_ + ": tensor " + in_quotes(tensors_[current_].name) + ": expected " +
                std::to_string(tensors_[current_].bytes) + " bytes of data, found " +
                std::to_string(written_));
  }
  out_.commit();
}

}  // namespace sterna::models
