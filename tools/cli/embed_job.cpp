#include "cli/embed_job.h"

#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/pipeline.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/text.h"

namespace sterna::cli {

namespace {

// How many inputs ahead of the one that is taken up the system is asked to fetch.
constexpr size_t kPrefetch = 16;
constexpr size_t kCompared = 16;  // pictures whose drift is measured

struct Embedded {
  Digest digest = {};
  std::vector<float> vector;
  std::string error;  // not empty: there is no vector
  bool reused = false;
  bool cut = false;  // the model did not read the text to its end
  size_t decodes = 0;
  std::optional<double> drift;  // cosine with the whole picture's vector
};

void embed_text(const Embedder& embedder, const std::string& text, Worker& worker, Embedded& out) {
  if (trimmed(text).empty()) throw Error("the text is empty");
  if (!is_utf8(text)) throw Error(printable(text) + ": the text is not valid UTF-8");
  out.cut = !embedder.reads_whole(text);
  out.vector.resize(embedder.dim());
  embedder.embed(text, worker, out.vector);
}

void embed_picture(const Embedder& embedder, const std::string& name, size_t reduced_side,
                   bool compare, Worker& worker, Embedded& out) {
  const vision::Image image = decode_picture(name, worker, reduced_side);
  out.vector.resize(embedder.dim());
  embedder.embed(image.view(), worker, out.vector);
  if (!compare) return;
  const vision::Image whole = decode_picture(name, worker);
  if (whole.width == image.width) return;
  std::vector<float> vector(embedder.dim());
  embedder.embed(whole.view(), worker, vector);
  out.drift = std::inner_product(vector.begin(), vector.end(), out.vector.begin(), 0.0);
}

/// "FILE:LINE: " of a text that is a line of a file.
std::string place_of(const EmbedJob& job, size_t i) {
  const auto after = std::upper_bound(
      job.text_files.begin(), job.text_files.end(), i,
      [](size_t at, const EmbedJob::TextFile& file) { return at < file.first; });
  if (after == job.text_files.begin() || (after - 1)->name.empty()) return {};
  const std::string& name = (after - 1)->name;
  return (name == "-" ? "standard input" : name) + ":" +
         std::to_string(i - (after - 1)->first + 1) + ": ";
}

Embedded embed(const Embedder& embedder, const EmbedJob& job, const VectorSink& sink,
               size_t i, Worker& worker) {
  const std::string& input = job.inputs[i];
  Embedded out;
  const size_t decodes = worker.session.decodes;
  try {
    if (!job.text) read_picture(input, worker);
    out.digest = job.text ? sha256(input) : sha256(worker.bytes);
    if (const auto known = sink.find(out.digest)) {
      out.vector.assign(known->begin(), known->end());
      out.reused = true;
    } else if (job.text) {
      embed_text(embedder, input, worker, out);
    } else {
      const size_t apart = std::max<size_t>(1, job.inputs.size() / kCompared);
      const bool compare = job.reduced_side != 0 && i % apart == 0;
      embed_picture(embedder, input, job.reduced_side, compare, worker, out);
    }
  } catch (...) {
    out.error = (job.text ? place_of(job, i) : std::string()) + current_fault(input);
  }
  out.decodes = worker.session.decodes - decodes;
  return out;
}

}  // namespace

EmbedCounts run_embed_job(const Embedder& embedder, const EmbedJob& job, VectorSink& sink) {
  EmbedCounts counts;
  counts.failed = job.failed;
  const auto start = std::chrono::steady_clock::now();
  const size_t n = job.inputs.size();
  // One input gets all threads; of many, each gets one.
  const int threads_each = n - job.first == 1 ? job.threads : 1;
  {
    const InterruptGuard interrupt;
    Progress progress(n, job.first);
    ordered_pipeline(
        job.first, n, job.threads, [&] { return Worker(threads_each); },
        [&](size_t i) {
          if (!job.text && i + kPrefetch < n) prefetch_file(job.inputs[i + kPrefetch]);
        },
        [&](Worker& worker, size_t i) { return embed(embedder, job, sink, i, worker); },
        [&](size_t i, Embedded&& result) {
          if (result.cut) {
            message("text " + std::to_string(i + 1) + " is too long: its end is not read");
          }
          if (result.error.empty()) {
            sink.add_row(job.inputs[i], result.digest, result.vector);
            ++counts.rows;
            counts.reused += result.reused;
          } else {
            message(result.error);
            sink.add_failure(job.inputs[i], result.error);
            ++counts.failed;
          }
          counts.decodes += result.decodes;
          if (result.drift) {
            ++counts.drift.compared;
            counts.drift.sum += *result.drift;
            counts.drift.least = std::min(counts.drift.least, *result.drift);
          }
          progress.update(i + 1, counts.failed);
          counts.interrupted = i + 1 < n ? interrupt.requested() : 0;
          return counts.interrupted == 0;
        });
  }
  counts.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return counts;
}

Json embed_settings(const Embedder& embedder, bool text, size_t reduced_side) {
  Json settings{{"model_sha256", embedder.digest()},
                {"kind", text ? "text" : "picture"},
                {"dim", embedder.dim()}};
  // Another JPEG decoder gives slightly other pixels.
  if (!text) settings["decoder"] = vision::decoder_name();
  if (!text && reduced_side != 0) settings["fast_decode"] = reduced_side;
  return settings;
}

size_t reduced_side_of(const Json& settings) { return settings.value("fast_decode", size_t{0}); }

}  // namespace sterna::cli
