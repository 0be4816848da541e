#include <sterna/quant/error.h>

#include <algorithm>
#include <utility>

#include "checkpoint.h"
#include "text.h"

namespace sterna::models {
namespace {

/// The spellings of "a|b".
std::vector<std::string> spellings(std::string_view names) {
  std::vector<std::string> list;
  while (true) {
    const size_t bar = names.find('|');
    list.emplace_back(names.substr(0, bar));
    if (bar == std::string_view::npos) return list;
    names.remove_prefix(bar + 1);
  }
}

}  // namespace

Tensors Tensors::in(std::string_view name) const {
  const auto names = spellings(name);
  const auto found = std::find_if(names.begin(), names.end(), [&](const std::string& spelling) {
    return file_->has_prefix(prefix_ + spelling + ".");
  });
  Tensors inner(*this);
  inner.prefix_ += (found == names.end() ? names[0] : *found) + ".";
  return inner;
}

Tensors Tensors::either(std::string_view probe,
                        std::initializer_list<std::string_view> names) const {
  if (has(probe)) return *this;
  // The probe itself may be what is missing: then any tensor below a name will do.
  for (const std::string_view name : names) {
    if (in(name).has(probe)) return in(name);
  }
  for (const std::string_view name : names) {
    if (file_->has_prefix(prefix_ + std::string(name) + ".")) return in(name);
  }
  return *this;
}

Tensors Tensors::packed() const {
  Tensors inner(*this);
  inner.packed_ = true;
  return inner;
}

Tensors Tensors::of(Part part) const {
  Tensors inner(*this);
  inner.part_ = part;
  return inner;
}

std::string Tensors::full(std::string_view name) const {
  const auto names = spellings(name);
  for (const std::string& spelling : names) {
    if (file_->find(prefix_ + spelling) != nullptr) return prefix_ + spelling;
  }
  return prefix_ + names[0];
}

bool Tensors::has(std::string_view name) const { return file_->find(full(name)) != nullptr; }

const HeldTensor& Tensors::tensor(const std::string& full, const std::string& expected) const {
  if (const HeldTensor* found = file_->find(full)) return *found;
  throw Error(file_->file() + ": tensor " + in_quotes(full) + " is missing: expected " + expected);
}

void Tensors::wrong(const HeldTensor& tensor, const std::string& expected) const {
  throw Error(file_->file_of(tensor) + ": tensor " + in_quotes(tensor.plain.name) + ": expected " +
              expected + ", found " + tensor.text());
}

std::span<const float> Tensors::floats(std::string_view name,
                                       std::initializer_list<uint64_t> shape) const {
  const std::string expected = "floats " + shape_text(std::span(shape.begin(), shape.size()));
  const HeldTensor& t = tensor(full(name), expected);
  const auto& found = t.plain.shape;
  if (!t.is_floats() || !std::equal(shape.begin(), shape.end(), found.begin(), found.end()))
    wrong(t, expected);
  file_->note(t, Use::numbers, part_);
  return file_->floats(t);
}

float Tensors::number(std::string_view name) const {
  const HeldTensor& t = tensor(full(name), "a number");
  if (!t.is_floats() || t.plain.elements() != 1) wrong(t, "a number");
  file_->note(t, Use::numbers, part_);
  return file_->floats(t)[0];
}

std::span<const float> Tensors::rows(std::string_view name, uint64_t cols) const {
  const std::string expected = "floats [rows, " + std::to_string(cols) + "]";
  const HeldTensor& t = tensor(full(name), expected);
  const std::vector<uint64_t>& shape = t.plain.shape;
  const size_t rank = shape.size();
  const bool ones = rank <= 2 || std::all_of(shape.begin(), shape.end() - 2,
                                             [](uint64_t d) { return d == 1; });
  if (!t.is_floats() || rank == 0 || !ones || shape.back() != cols || t.plain.data.empty())
    wrong(t, expected);
  file_->note(t, Use::numbers, part_);
  return file_->floats(t);
}

/// Rows [first, first + count) of a matrix [m, k].
quant::WeightView Tensors::matrix(std::string_view name, size_t m, size_t k, size_t first,
                                  size_t count) const {
  const std::string expected =
      "a linear map [" + std::to_string(m) + ", " + std::to_string(k) + "]";
  const HeldTensor& t = tensor(full(name), expected);
  const std::vector<uint64_t>& shape = t.plain.shape;
  uint64_t cols = 1;
  bool fits = shape.size() >= 2 && shape[0] == m && m != 0;
  for (size_t i = 1; fits && i < shape.size(); ++i)
    fits = !__builtin_mul_overflow(cols, shape[i], &cols);
  const bool anew = !t.map && t.rows;
  if ((!t.map && !anew && !t.is_floats()) || !fits || cols != k) wrong(t, expected);
  file_->note(t, packed_ ? Use::block_map : Use::map, part_);
  if (t.map || anew) {
    file_->check_scales(t);
    const quant::WeightView map = anew ? file_->laid_out(t) : *t.map;
    return first == 0 && count == m ? map : file_->rows_of(map, first, count);
  }
  const auto w = file_->floats(t).subspan(first * k, count * k);
  file_->place(t, first, w);
  if (packed_) return file_->pack(w, count, k);
  return {quant::Type::f32, count, k, std::as_bytes(w), {}, 0};
}

quant::Linear Tensors::linear(std::string_view name, size_t m, size_t k, bool bias) const {
  std::string weights, biases;
  for (const std::string& spelling : spellings(name)) {
    weights += (weights.empty() ? "" : "|") + spelling + ".weight";
    biases += (biases.empty() ? "" : "|") + spelling + ".bias";
  }
  return {matrix(weights, m, k, 0, m), bias ? floats(biases, {m}) : std::span<const float>{}, isa_};
}

quant::Linear Tensors::part(std::string_view weight, std::string_view bias, size_t all,
                            size_t first, size_t m, size_t k) const {
  return {matrix(weight, all, k, first, m),
          bias.empty() ? std::span<const float>{} : floats(bias, {all}).subspan(first, m), isa_};
}

nn::RowTable Tensors::table(std::string_view name, size_t rows, size_t cols) const {
  const std::string expected =
      "a table [" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
  const HeldTensor& t = tensor(full(name), expected);
  const bool integers = t.map && quant::is_integer(t.map->type);
  if (t.plain.shape != std::vector<uint64_t>{rows, cols} ||
      (!integers && !t.rows && !t.is_floats()))
    wrong(t, expected);
  file_->note(t, Use::table, Part::table);
  file_->check_scales(t);
  try {
    if (integers) return nn::RowTable::packed(*t.map, isa_);
    const std::byte* data = t.plain.data.data();
    if (t.rows && t.rows->row_table) {
      const std::span codes(reinterpret_cast<const int8_t*>(data), rows * cols);
      return nn::RowTable::int8(codes, file_->scales(t), rows, cols, isa_);
    }
    if (t.rows) return nn::RowTable::q4_0(t.plain.data, rows, cols, isa_);
    // Halves are looked up where they lie: a row of them gives the numbers of a row of floats.
    if (t.plain.dtype != Dtype::f32 && reinterpret_cast<uintptr_t>(data) % alignof(uint16_t) == 0) {
      const std::span halves(reinterpret_cast<const uint16_t*>(data), rows * cols);
      return t.plain.dtype == Dtype::f16 ? nn::RowTable::half(halves, rows, cols, isa_)
                                         : nn::RowTable::bf16(halves, rows, cols, isa_);
    }
    return {file_->floats(t), rows, cols, isa_};
  } catch (const Error& e) {  // of the table, which knows no names
    const std::string what = e.what();
    if (what.starts_with(file_->file_of(t))) throw;
    throw Error(file_->file_of(t) + ": tensor " + in_quotes(t.plain.name) + ": " + what);
  }
}

nn::Norm Tensors::layer_norm(std::string_view name, size_t d, double eps, bool bias) const {
  const std::string scope(name);
  return {nn::Norm::Kind::layer, floats(scope + ".weight", {d}),
          bias ? floats(scope + ".bias", {d}) : std::span<const float>{}, static_cast<float>(eps)};
}

nn::Norm Tensors::rms_norm(std::string_view name, size_t d, double eps, float offset) const {
  auto gain = floats(std::string(name) + ".weight", {d});
  if (offset != 0) {
    std::vector<float> sum(gain.begin(), gain.end());
    for (float& g : sum) g += offset;
    gain = file_->keep(std::move(sum));
  }
  return {nn::Norm::Kind::rms, gain, {}, static_cast<float>(eps)};
}

}  // namespace sterna::models
