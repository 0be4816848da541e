// The module that holds FAISS: see cli/vector_index.h.
#include <faiss/Index.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_factory.h>
#include <faiss/index_io.h>
#include <sterna/quant/error.h>

#include <limits>

#include "cli/vector_index.h"

namespace {

using sterna::Error;
using sterna::cli::Hit;

/// FAISS' texts hold source positions and newlines ("Error in F at FILE.cpp:N: Error: TEXT"); the
/// first line behind them tells the fault.
std::string fault(const faiss::FaissException& e) {
  std::string text = e.what();
  if (const size_t at = text.find(".cpp:"); at != text.npos) text = text.substr(at + 5);
  if (const size_t at = text.find(": "); at != text.npos) text = text.substr(at + 2);
  if (text.starts_with("Error: ")) text = text.substr(7);
  return text.substr(0, text.find('\n'));
}

template <class F>
auto guarded(const std::string& where, F&& f) {
  try {
    return f();
  } catch (const faiss::FaissException& e) {
    throw Error(where + ": " + fault(e));
  }
}

class FaissIndex : public sterna::cli::VectorIndex {
 public:
  FaissIndex(std::unique_ptr<faiss::Index> index, std::string name)
      : index_(std::move(index)), name_(std::move(name)) {}

  size_t dim() const override { return static_cast<size_t>(index_->d); }
  uint64_t rows() const override { return static_cast<uint64_t>(index_->ntotal); }
  bool needs_training() const override { return !index_->is_trained; }

  void train(std::span<const float> vectors) override {
    guarded(name_, [&] { index_->train(count(vectors), vectors.data()); });
  }
  void add(std::span<const float> vectors) override {
    guarded(name_, [&] { index_->add(count(vectors), vectors.data()); });
  }

  std::vector<Hit> search(std::span<const float> query, size_t top) const override {
    top = std::min<size_t>(top, rows());
    std::vector<Hit> hits;
    if (top == 0) return hits;
    std::vector<float> scores(top);
    std::vector<faiss::Index::idx_t> labels(top);
    guarded(name_, [&] {
      index_->search(1, query.data(), static_cast<faiss::Index::idx_t>(top), scores.data(),
                     labels.data());
    });
    for (size_t i = 0; i < top && labels[i] >= 0; ++i) {
      hits.push_back({static_cast<uint64_t>(labels[i]), scores[i]});
    }
    return hits;
  }

  void save(const std::string& file) const override {
    guarded(file, [&] { faiss::write_index(index_.get(), file.c_str()); });
  }

 private:
  faiss::Index::idx_t count(std::span<const float> vectors) const {
    return static_cast<faiss::Index::idx_t>(vectors.size() / dim());
  }

  std::unique_ptr<faiss::Index> index_;
  std::string name_;
};

std::unique_ptr<sterna::cli::VectorIndex> create(size_t dim, const std::string& type) {
  return guarded("index type \"" + type + "\"", [&] {
    std::unique_ptr<faiss::Index> index(
        faiss::index_factory(static_cast<int>(dim), type.c_str(), faiss::METRIC_INNER_PRODUCT));
    return std::make_unique<FaissIndex>(std::move(index), "index type \"" + type + "\"");
  });
}

std::unique_ptr<sterna::cli::VectorIndex> open(const std::string& file) {
  return guarded(file, [&] {
    std::unique_ptr<faiss::Index> index(faiss::read_index(file.c_str()));
    return std::make_unique<FaissIndex>(std::move(index), file);
  });
}

}  // namespace

extern "C" __attribute__((visibility("default")))
const sterna::cli::IndexModule sterna_index_module = {sterna::cli::kIndexModuleVersion, create,
                                                      open};
