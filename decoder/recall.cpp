#include <sterna/decoder/gate.h>
#include <sterna/decoder/recall.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <utility>

namespace sterna::decoder {

Recall::Recall(size_t dim, double cosine, size_t capacity)
    : dim_(dim), capacity_(capacity), cosine_(cosine), unit_(dim) {
  if (dim == 0) throw Error("recall: expected a width of 1 or more, found 0");
  if (capacity == 0) throw Error("recall: expected room for 1 or more, found 0");
  if (!(cosine > 0 && cosine <= 1)) {
    throw Error("recall: expected a cosine above 0, up to 1, found " + std::to_string(cosine));
  }
}

bool Recall::direction(std::span<const float> meaning) {
  if (meaning.size() != dim_) {
    throw Error("recall: expected an embedding of " + std::to_string(dim_) + " numbers, found " +
                std::to_string(meaning.size()));
  }
  return normalise(meaning, unit_);
}

const Words* Recall::find(std::span<const float> meaning) {
  if (!direction(meaning)) return nullptr;
  // A direction's cosine with itself may round to a little less than 1.
  double most = cosine_ - 1e-6;
  Entry* best = nullptr;
  for (size_t i = 0; i < entries_.size(); ++i) {
    const float* row = &directions_[i * dim_];
    double cosine = 0;
    for (size_t j = 0; j < dim_; ++j) {
      cosine += static_cast<double>(row[j]) * static_cast<double>(unit_[j]);
    }
    if (cosine < most) continue;
    most = cosine;
    best = &entries_[i];
  }
  flops_ += 2 * dim_ * entries_.size();
  if (best == nullptr) return nullptr;
  best->used = ++now_;
  return &best->words;
}

void Recall::keep(std::span<const float> meaning, Words words) {
  if (!direction(meaning)) return;
  size_t at = entries_.size();
  if (at == capacity_) {
    const auto oldest =
        std::min_element(entries_.begin(), entries_.end(),
                         [](const Entry& a, const Entry& b) { return a.used < b.used; });
    at = static_cast<size_t>(oldest - entries_.begin());
  } else {
    entries_.emplace_back();
    directions_.resize(entries_.size() * dim_);
  }
  entries_[at] = {std::move(words), ++now_};
  std::copy(unit_.begin(), unit_.end(),
            directions_.begin() + static_cast<std::ptrdiff_t>(at * dim_));
}

}  // namespace sterna::decoder
