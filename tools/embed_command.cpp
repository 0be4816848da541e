#include <sterna/quant/error.h>

#include <cmath>

#include "cli/embed_job.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/inputs.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/vector_store.h"

namespace sterna::cli {

namespace {

/// Without -o: every vector is a line on standard output, at once.
class LineSink : public VectorSink {
 public:
  std::optional<std::span<const float>> find(const Digest&) const override { return std::nullopt; }
  void add_row(const std::string& input, const Digest& digest,
               std::span<const float> vector) override {
    Json line{{"row", rows_++}};
    put_name(line, "input", input);
    line["sha256"] = hex(digest);
    print_line(vector_line(line, vector));
  }
  void add_failure(const std::string& input, const std::string& error) override {
    Json line = Json::object();
    put_name(line, "input", input);
    line["error"] = error;
    print_line(to_line(line));
  }

 private:
  size_t rows_ = 0;
};

Options describe() {
  Options options(
      "embed", "INPUT... [-o OUT.npy|OUT.jsonl] [OPTION...]",
      "Turn pictures, or lines of text, into vectors of one space.\n\n"
      "INPUT is a picture, a folder (with those below it), a pattern, @LIST, or - for a list on\n"
      "standard input. OUT.npy gets a float32 row for every input that could be read, OUT.jsonl\n"
      "beside it tells which; an OUT.jsonl alone carries the vectors in its lines. Without -o the\n"
      "lines go to standard output. --model may be a folder with a checkpoint: CLIP, SigLIP, ViT,\n"
      "DINO, I-JEPA, V-JEPA 2 for pictures; CLIP, SigLIP, sentence-transformers' for texts.\n");
  options.add_model_options();
  options.add()("o,output", "OUT.npy or OUT.jsonl", cxxopts::value<std::string>(), "OUT")(
      "list", "Names of inputs, one a line (- is standard input)",
      cxxopts::value<std::vector<std::string>>(),
      "FILE")("0,null", "Names in lists end in a NUL instead of a newline")(
      "text", "Inputs are texts (-: lines of standard input)")(
      "text-file", "Every line of FILE is a text", cxxopts::value<std::vector<std::string>>(),
      "FILE")("fresh", "Compute everything anew")(
      "fast-decode",
      "Decode large JPEGs at 1/2, 1/4 or 1/8 of their size, no side below 640; tells how far\n"
      "that is from whole pictures");
  options.epilogue(
      "A run that was stopped goes on where it was when the same command is given again. Inputs\n"
      "whose content is unchanged since OUT.npy was written are not computed again.");
  return options;
}

/// Every file that is read, but for those that lists name. What is named beside --text are texts.
std::vector<std::string> inputs_of(const Options& options, const cxxopts::ParseResult& args) {
  std::vector<std::string> names;
  if (args.count("text") == 0) names = options.positionals();
  for (const char* list : {"list", "text-file"}) {
    if (args.count(list) == 0) continue;
    const auto& files = args[list].as<std::vector<std::string>>();
    names.insert(names.end(), files.begin(), files.end());
  }
  return names;
}

EmbedJob make_job(const Options& options, const cxxopts::ParseResult& args, const Common& common) {
  constexpr size_t kReducedSide = 640;  // twice what towers see
  EmbedJob job;
  job.threads = common.threads;
  if (args.count("fast-decode") != 0) job.reduced_side = kReducedSide;
  job.text = args.count("text") != 0 || args.count("text-file") != 0;
  const char separator = args.count("null") != 0 ? '\0' : '\n';
  const auto values = [&](const char* name) {
    return args.count(name) == 0 ? std::vector<std::string>()
                                 : args[name].as<std::vector<std::string>>();
  };
  const auto append = [&](const std::vector<std::string>& more) {
    job.inputs.insert(job.inputs.end(), more.begin(), more.end());
  };
  if (job.text) {
    if (args.count("list") != 0) throw UsageError("--list names pictures; use --text-file");
    if (args.count("text") == 0 && !options.positionals().empty()) {
      throw UsageError("pictures and texts don't go into one output");
    }
    const auto append_lines = [&](const std::string& file) {
      job.text_files.push_back({job.inputs.size(), file});
      append(read_lines(file, separator));
    };
    for (const std::string& text : options.positionals()) {
      if (text == "-") {
        append_lines(text);
      } else {
        job.text_files.push_back({job.inputs.size()});
        job.inputs.push_back(text);
      }
    }
    for (const std::string& file : values("text-file")) append_lines(file);
  } else {
    append(expand_inputs(options.positionals(), separator));
    for (const std::string& file : values("list")) {
      const std::vector<std::string> names = {file == "-" ? file : "@" + file};
      append(expand_inputs(names, separator));
    }
  }
  if (job.text && job.reduced_side != 0) throw UsageError("--fast-decode is for pictures");
  const bool named =
      !options.positionals().empty() || args.count("list") != 0 || args.count("text-file") != 0;
  if (!named) throw UsageError(job.text ? "expected a text" : "expected a picture, folder or list");
  return job;
}

double mean_cosine(const Drift& drift) { return drift.sum / static_cast<double>(drift.compared); }

std::string drift_text(const Drift& drift) {
  if (drift.compared == 0)
    return "fast decode: no picture that was compared is large enough for it";
  char text[128];
  std::snprintf(text, sizeof text,
                "fast decode: cosine with whole pictures %.5f on average, %.5f at least "
                "(%zu compared)",
                mean_cosine(drift), drift.least, drift.compared);
  return text;
}

void report(const Common& common, const StorePaths* paths, const EmbedJob& job,
            const EmbedCounts& counts, size_t rows) {
  const size_t done = counts.rows + counts.failed - job.failed;
  const double speed = counts.seconds > 0 ? static_cast<double>(done) / counts.seconds : 0;
  if (common.json) {
    Json summary{{"summary", true}};
    if (paths != nullptr) {
      put_name(summary, "output",
               (paths->inline_vectors ? paths->manifest : paths->vectors).string());
      put_name(summary, "manifest", paths->manifest.string());
    }
    summary["rows"] = rows;
    summary["failed"] = counts.failed;
    summary["reused"] = counts.reused;
    summary["resumed"] = job.first;
    summary["decodes"] = counts.decodes;
    if (job.reduced_side != 0) {
      summary["fast_decode"] = {{"side", job.reduced_side}, {"compared", counts.drift.compared}};
      if (counts.drift.compared > 0) {
        summary["fast_decode"]["mean_cosine"] = mean_cosine(counts.drift);
        summary["fast_decode"]["least_cosine"] = counts.drift.least;
      }
    }
    summary["seconds"] = std::round(counts.seconds * 1e3) / 1e3;
    summary["per_second"] = std::round(speed * 10) / 10;
    print_line(to_line(summary));
  }
  if (job.reduced_side != 0) message(drift_text(counts.drift));
  if (paths == nullptr) return;
  char speed_text[32];
  std::snprintf(speed_text, sizeof speed_text, "%.1f/s", speed);
  std::string text = std::to_string(rows) + " rows in " +
                     (paths->inline_vectors ? paths->manifest : paths->vectors).string();
  if (counts.failed > 0) {
    text += ", " + std::to_string(counts.failed) + " failed (listed in " +
            paths->manifest.string() + ")";
  }
  if (job.first > 0) text += ", " + std::to_string(job.first) + " were done before";
  if (counts.reused > 0) text += ", " + std::to_string(counts.reused) + " unchanged";
  message(text + ", " + speed_text);
}

}  // namespace

/// `sterna embed`: inputs to vectors.
int embed_command(int argc, char** argv) {
  Options options = describe();
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const std::string output = args->count("output") != 0 ? (*args)["output"].as<std::string>() : "-";
  const std::optional<StorePaths> paths =
      output == "-" ? std::nullopt : std::make_optional<StorePaths>(output);
  EmbedJob job = make_job(options, *args, common);
  if (paths) {
    for (const auto& written : {paths->vectors, paths->manifest, paths->meta})
      refuse_overwriting("-o", written, inputs_of(options, *args));
  }
  const auto input = job.text ? Embedder::Input::texts : Embedder::Input::pictures;
  const auto embedder = open_embedder(common, input);

  if (!paths) {
    LineSink sink;
    const EmbedCounts counts = run_embed_job(*embedder, job, sink);
    report(common, nullptr, job, counts, counts.rows);
    return counts.interrupted != 0 ? counts.interrupted : counts.failed > 0 ? kSomeFailed : kDone;
  }
  const Json settings = embed_settings(*embedder, job.text, job.reduced_side);
  VectorStore store(*paths, embedder->dim(), settings, job.inputs, !job.text,
                    args->count("fresh") != 0);
  job.first = store.resumed();
  job.failed = store.failed();
  const EmbedCounts counts = run_embed_job(*embedder, job, store);
  if (counts.interrupted != 0) {
    store.checkpoint();
    message("stopped after " + std::to_string(store.rows() + store.failed()) + " of " +
            std::to_string(job.inputs.size()) + " inputs; the same command goes on from there");
    return counts.interrupted;
  }
  const bool written = store.finish();
  report(common, &*paths, job, counts, store.rows());
  if (!written) message("nothing was embedded: " + output + " stays as it was");
  return counts.failed > 0 ? kSomeFailed : kDone;
}

}  // namespace sterna::cli
