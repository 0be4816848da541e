#include "sterna/models/weights.h"

#include <sterna/quant/formats.h>

#include "laid_out.h"
#include "stored.h"
#include "text.h"

namespace sterna::models {
namespace {

template <class T>
bool aligned(const void* p, size_t alignment = alignof(T)) {
  return reinterpret_cast<uintptr_t>(p) % alignment == 0;
}

std::string matrix_text(uint64_t rows, uint64_t cols) {
  const std::string r = rows == 0 ? "any" : std::to_string(rows);
  return "[" + r + ", " + std::to_string(cols) + "]";
}

}  // namespace

Weights Weights::in(std::string_view name) const {
  Weights inner(*this);
  inner.prefix_ += std::string(name) + ".";
  return inner;
}

bool Weights::has(std::string_view name) const {
  return file_->find(prefix_ + std::string(name)) != nullptr;
}

void Weights::wrong(const GgufTensor& tensor, const std::string& expected,
                    const std::string& found) const {
  throw Error(file_->file() + ": tensor " + in_quotes(tensor.name) + ": expected " + expected +
              ", found " + found);
}

void Weights::fail(std::string_view name, const std::string& fault) const {
  throw Error(file_->file() + ": tensor " + in_quotes(prefix_ + std::string(name)) + ": " + fault);
}

const GgufTensor& Weights::tensor(std::string_view name, const std::string& expected) const {
  const std::string full = prefix_ + std::string(name);
  if (const GgufTensor* found = file_->find(full)) return *found;
  throw Error(file_->file() + ": tensor " + in_quotes(full) + " is missing: expected " + expected);
}

template <class T>
std::span<const T> Weights::data(const GgufTensor& tensor) const {
  // Maps start at a page and alignments are at least 8, but bytes from elsewhere may lie anywhere.
  if (!aligned<T>(tensor.data.data())) {
    wrong(tensor, "data at a multiple of " + std::to_string(alignof(T)) + " bytes",
          "another address");
  }
  return {reinterpret_cast<const T*>(tensor.data.data()), tensor.data.size() / sizeof(T)};
}

std::span<const uint16_t> Weights::scales(const StoredTensor& tensor) const {
  const std::span<const uint16_t> scale = scales_of(*file_, tensor);
  check_scales(file_->file(), tensor.data->name, scale, static_cast<size_t>(tensor.shape[0]));
  return scale;
}

template <class Make>
auto Weights::laid_out(const GgufTensor& tensor, Make&& make) const {
  try {
    return make(file_->laid_out());
  } catch (const Error& e) {
    throw Error(file_->file() + ": tensor " + in_quotes(tensor.name) + ": " + e.what());
  }
}

quant::WeightView Weights::linear(std::string_view name, size_t m, size_t k) const {
  const std::string expected = "a linear map " + matrix_text(m, k);
  const GgufTensor& t = tensor(name, expected);
  const StoredTensor s = stored(*file_, t);
  const bool plain = !s.layout && t.type == GgmlType::f32;
  const bool anew = LaidOut::wants(s);
  if (!plain && !anew && !s.layout)
    wrong(t, expected + " in f32, bf16, i8, t2, t5, t34, t14, q4_0 or i8row", s.text());
  const uint64_t rows = s.shape.empty() ? 1 : s.shape[0];
  if (rows != m || s.elements() / rows != k) wrong(t, expected, s.text());
  quant::WeightView view;
  if (s.scale != nullptr) view.scale = scales(s);
  if (anew) return laid_out(t, [&](LaidOut& out) { return out.map(s, m, k); });

  view.type = plain ? quant::Type::f32 : *s.layout;
  view.m = m;
  view.k = k;
  view.data = plain ? std::as_bytes(data<float>(t)) : t.data;
  view.group = static_cast<size_t>(s.group);
  if (!plain && !aligned<std::byte>(view.data.data(), quant::kLineBytes)) {
    wrong(t, "data at a multiple of 64 bytes",
          "general.alignment " + std::to_string(file_->alignment()));
  }
  if (replaced_ != nullptr) {
    // Of the same shape: what stands there was made of what lies in the file.
    if (const auto other = replaced_->find(t.name); other != replaced_->end()) return other->second;
  }
  try {
    quant::check(view);
  } catch (const Error& e) {
    throw Error(file_->file() + ": tensor " + in_quotes(t.name) + ": " + e.what());
  }
  return view;
}

std::span<const float> Weights::floats(std::string_view name,
                                       std::initializer_list<uint64_t> shape) const {
  const std::string expected =
      "f32, f16 or i8row " + shape_text(std::span(shape.begin(), shape.size()));
  const GgufTensor& t = tensor(name, expected);
  const bool same = std::equal(shape.begin(), shape.end(), t.shape.begin(), t.shape.end());
  const StoredTensor s = stored(*file_, t);
  if (same && s.row_table) scales(s);
  if (same && (t.type == GgmlType::f16 || s.row_table))
    return laid_out(t, [&](LaidOut& out) { return out.floats(s); });
  if (t.type != GgmlType::f32 || !same) wrong(t, expected, s.text());
  return data<float>(t);
}

TableView Weights::table(std::string_view name, size_t rows, size_t cols) const {
  const std::string expected = "a table " + matrix_text(rows, cols);
  const GgufTensor& t = tensor(name, expected);
  const StoredTensor s = stored(*file_, t);
  if (s.shape.size() != 2 || (rows != 0 && s.shape[0] != rows) || s.shape[1] != cols) {
    wrong(t, expected, s.text());
  }
  TableView view;
  view.rows = static_cast<size_t>(s.shape[0]);
  view.cols = cols;
  if (s.row_table) {
    view.i8 = data<int8_t>(t);
    view.scale = scales(s);
  } else if (t.type == GgmlType::f32) {
    view.f32 = data<float>(t);
  } else if (t.type == GgmlType::f16) {
    view.f16 = data<uint16_t>(t);
  } else if (t.type == GgmlType::q4_0) {
    data<uint16_t>(t);  // aligned
    view.q4_0 = t.data;
  } else if (s.layout && quant::is_integer(*s.layout)) {
    view.packed = view_of(*file_, s);
    scales(s);
  } else {
    wrong(t, expected + " in f32, f16, i8row, q4_0, i8, t2, t5, t34 or t14", s.text());
  }
  return view;
}

}  // namespace sterna::models
