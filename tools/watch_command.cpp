#include <sterna/decoder/change.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "cli/choices.h"
#include "cli/error.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/model_path.h"
#include "cli/names.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/text.h"
#include "watch/engine.h"
#include "watch/open_model.h"
#include "watch/open_source.h"

namespace sterna::cli {
namespace {

using Args = cxxopts::ParseResult;

constexpr double kMostClipSeconds = 3600;
constexpr int kMostClipFrames = 256;

void add_options(Options& options) {
  const auto text = [] { return cxxopts::value<std::string>(); };
  const auto real = [] { return cxxopts::value<double>(); };
  options.add_model_options();
  options.add()("choices", "Comma-separated answers to choose from", text());
  options.add()("answers", "File of answers to choose from, one a line", text());
  options.add()("prompt", "Question asked of every frame", text());
  options.add()("every", "Decode every SECONDS, whatever is seen", real(), "SECONDS");
  options.add()("rate", "Decodes a second to aim at: the threshold adapts", real(), "HZ");
  options.add()("gate", "cusum (default), variance, or ward: read all, then cut at --rate", text());
  options.add()("threshold", "Distance that counts as a change", real());
  options.add()("delay", "Most seconds from a change to its report (1); not with ward", real(),
                "SECONDS");
  options.add()("dwell", "Shortest segment (0.5); not with ward", real(), "SECONDS");
  options.add()("fps", "Frames looked at a second (8; pictures: 1; 0: all)", real());
  options.add()("raw", "Frames without header on standard input: WxH[:rgb24|bgr24|...][@FPS]",
                text());
  options.add()("recall", "Words said of a meaning this near (cosine) are said again undecoded",
                real(), "COSINE");
  options.add()("join", "Tell segments in the same words as one, once the words change");
  options.add()("clip", "Embed clips of the last SECONDS (V-JEPA 2: 2; else 0: single frames)",
                real(), "SECONDS");
  options.add()("clip-frames", "Frames of a clip, evenly in time (V-JEPA 2: up to 16; else 8)",
                cxxopts::value<int>(), "N");
  options.add()("difference", "Levels of 255 a block may move unseen (1.5; 0: encode all)", real());
  options.add()("live", "URL or -: frames come by themselves; what is too fast is dropped");
  options.add()("patience", "Seconds to try to open a lost camera or live URL again (60)", real());
  options.add()("report", "Write a page with a timeline to FILE.html", text(), "FILE");
  options.add()("save", "Write the embeddings to FILE.npy, and their frames to FILE.jsonl", text(),
                "FILE");
  options.epilogue(
      "--json: a line for each segment with start, end (seconds), text, confidence and frame, of\n"
      "pictures also input, the file of that frame; {input, error} for each picture that can't be\n"
      "read; at the end a summary.\n\n"
      "Examples:\n"
      "  sterna watch street.mp4 --report street.html\n"
      "  sterna watch camera:0 --choices \"a person,an empty room\" --json\n"
      "  sterna watch holiday/ --fps 0.5\n"
      "  sterna watch street.mp4 --model siglip/ --choices \"a bus,a car\" --clip 1 --clip-frames "
      "4\n"
      "  ffmpeg -i in.mkv -f rawvideo -pix_fmt rgb24 - | sterna watch - --raw 640x480@30");
}

/// The value of an option that must be finite and more than `least`, or at least it if `or_equal`.
std::optional<double> number(const Args& args, const char* name, double least, bool or_equal) {
  if (args.count(name) == 0) return std::nullopt;
  const double value = args[name].as<double>();
  if (!std::isfinite(value) || value < least || (!or_equal && value == least)) {
    char found[64];
    std::snprintf(found, sizeof found, "%g, found %g", least, value);
    throw UsageError(std::string("--") + name + ": expected a number " +
                     (or_equal ? "of at least " : "above ") + found);
  }
  return value;
}

std::optional<std::string> text(const Args& args, const char* name) {
  if (args.count(name) == 0) return std::nullopt;
  return args[name].as<std::string>();
}

/// Everything about when to decode, checked before a model is opened.
std::unique_ptr<decoder::Gate> make_gate(const Args& args, size_t dim) {
  const auto every = number(args, "every", 0, false), rate = number(args, "rate", 0, false);
  const auto threshold = number(args, "threshold", 0, false);
  const auto delay = number(args, "delay", 0, false), dwell = number(args, "dwell", 0, false);
  const std::string kind = text(args, "gate").value_or("cusum");
  if (every) {
    if (rate || threshold || delay || dwell || args.count("gate") != 0) {
      throw UsageError("--every decodes whatever is seen: expected no other gate options with it");
    }
    return std::make_unique<decoder::UniformGate>(dim, *every);
  }
  if (kind == "ward") {
    if (rate.has_value() == threshold.has_value()) {
      throw UsageError("--gate ward: expected either --rate or --threshold");
    }
    if (delay || dwell)
      throw UsageError("--gate ward reads all, then cuts: expected no --delay or --dwell with it");
    return std::make_unique<decoder::WardGate>(dim, decoder::WardCut{rate, threshold, 1});
  }
  decoder::CusumGate::Config config;
  config.dim = dim;
  config.target_rate = rate.value_or(0);
  if (delay) config.window = *delay;
  if (dwell) config.min_dwell = *dwell;
  if (kind == "cusum") {
    if (threshold) config.threshold = *threshold;
    return std::make_unique<decoder::CusumGate>(config);
  }
  if (kind == "variance") {
    config.threshold = threshold.value_or(0.1);
    return std::make_unique<decoder::VarianceGate>(config);
  }
  throw UsageError("--gate: expected cusum, variance or ward, found \"" + kind + "\"");
}

SourceWishes source_wishes(const Args& args) {
  return {number(args, "fps", 0, true), text(args, "raw"), args.count("live") != 0,
          number(args, "patience", 0, true)};
}

/// What the model is asked for, as far as it can be checked before one is opened.
WatchWishes wishes(const Args& args) {
  WatchWishes w;
  if (auto answers = read_choices(args, "choices", "answers"); !answers.empty())
    w.answers = std::move(answers);
  if (args.count("answers") != 0) w.answers_option = "answers";
  w.prompt = text(args, "prompt").value_or("");
  if (!is_utf8(w.prompt)) throw UsageError("--prompt: expected UTF-8 text");
  w.clip_seconds = number(args, "clip", 0, true);
  if (w.clip_seconds && *w.clip_seconds > kMostClipSeconds)
    throw UsageError("--clip: expected at most an hour");
  if (args.count("clip-frames") == 0) return w;
  const int frames = args["clip-frames"].as<int>();
  if (frames < 1 || frames > kMostClipFrames) {
    throw UsageError("--clip-frames: expected 1 to " + std::to_string(kMostClipFrames) +
                     ", found " + std::to_string(frames));
  }
  w.clip_frames = static_cast<size_t>(frames);
  clip_shape(w, 0);  // whether both options agree
  return w;
}

/// No output may replace what is read, or another output.
void expect_own_outputs(const Args& args, const Common& common,
                        const std::vector<std::string>& inputs) {
  std::vector<std::string> read = inputs;
  if (const auto file = text(args, "answers")) read.push_back(*file);
  if (!common.model.empty()) read.push_back(common.model);
  const auto report = text(args, "report"), save = text(args, "save");
  if (report) refuse_overwriting("--report", *report, read);
  if (!save) return;
  const auto lines = std::filesystem::path(*save).replace_extension(".jsonl");
  const auto whole = [](const std::filesystem::path& path) {
    std::error_code none;
    return std::filesystem::weakly_canonical(std::filesystem::absolute(path, none), none);
  };
  for (const std::filesystem::path& written : {std::filesystem::path(*save), lines}) {
    refuse_overwriting("--save", written, read);
    if (report && whole(*report) == whole(written)) {
      throw UsageError("--report: expected another file than --save writes, found \"" + *report +
                       "\"");
    }
  }
}

Json event_json(const WatchEvent& e) {
  const auto rounded = [](double v) { return std::round(v * 1e4) / 1e4; };
  Json line{{"start", rounded(e.start)},
            {"end", rounded(e.end)},
            {"text", e.text},
            {"confidence", rounded(e.confidence)},
            {"frame", e.frame}};
  if (!e.file.empty()) put_name(line, "input", e.file);
  return line;
}

Json failure_json(const std::string& file, const std::string& error) {
  Json line = Json::object();
  put_name(line, "input", file);
  line["error"] = error;
  return line;
}

double milliseconds(double seconds) { return std::round(seconds * 1e4) / 10; }

Json summary_json(const WatchSummary& s) {
  return {{"summary", true},
          {"seconds", std::round(s.seconds * 1e4) / 1e4},
          {"frames", s.frames},
          {"embedded", s.embedded},
          {"decodes", s.decodes},
          {"unchanged", s.unchanged},
          {"dropped", s.dropped},
          {"failed", s.failed},
          {"invalid", s.invalid},
          {"recalled", s.recalled},
          {"compare_ms", milliseconds(s.compare_seconds)},
          {"embed_ms", milliseconds(s.embed_seconds)},
          {"decode_ms", milliseconds(s.decode_seconds)},
          {"decoder_flops", s.decoder_flops},
          {"tower_spared", std::round(s.spared() * 1e4) / 1e4},
          {"saved_ms", std::round(s.saved_ms() * 10) / 10},
          {"cpu_seconds", std::round(s.cost.cpu_seconds * 1e3) / 1e3},
          {"joules", s.cost.joules ? Json(*s.cost.joules) : Json(nullptr)},
          {"instructions", s.cost.instructions ? Json(*s.cost.instructions) : Json(nullptr)}};
}

std::string event_line(const WatchEvent& e) {
  char confidence[16];
  std::snprintf(confidence, sizeof confidence, "%3.0f %%", e.confidence * 100);
  std::string when = time_text(e.start) + " - " + time_text(e.end);
  when.resize(std::max<size_t>(when.size(), 17), ' ');
  if (e.text.empty()) return when + "  frame " + std::to_string(e.frame);  // a model without words
  return when + "  " + confidence + "  " + bold(printable(e.text));
}

}  // namespace

/// `sterna watch`: a stream of pictures, put into words only where its meaning changes.
int watch_command(int argc, char** argv) {
  Options options("watch", "VIDEO|camera:N|URL|PICTURE...|- [OPTION...]",
                  "Watch a stream and say something only when what is seen changes.");
  add_options(options);
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  // Options that contradict each other or are out of range are found before anything is opened.
  make_gate(*args, 1);
  const double levels = number(*args, "difference", 0, true).value_or(1.5);
  const auto near = number(*args, "recall", 0, false);
  if (near && *near > 1) throw UsageError("--recall: expected a cosine above 0, up to 1");
  const double fps = number(*args, "fps", 0, true).value_or(0);
  if (fps > 0 && fps < kLeastFps)
    throw UsageError("--fps: expected 0, or at least a frame a day (0.000012), found less");
  if (const auto file = text(*args, "save"); file && !file->ends_with(".npy")) {
    throw UsageError("--save: expected a name that ends in .npy, found \"" + *file + "\"");
  }
  const WatchWishes asked = wishes(*args);
  expect_own_outputs(*args, common, options.positionals());

  const InterruptGuard interrupt;
  const StopAsked stop = [&] { return interrupt.requested() != 0; };
  const auto source = open_source(source_wishes(*args), options.positionals(), stop);

  CostMeter meter;
  const auto path = find_model(common.model);
  WatchModel model = open_watch_model(path, common, asked);
  std::optional<decoder::Recall> recall;
  if (near) model.recall = &recall.emplace(model.dim, *near);

  std::optional<WatchReport> report;
  if (const auto file = text(*args, "report")) {
    report.emplace(*file, options.positionals()[0], path.filename().string());
  }
  std::optional<EmbeddingLog> log;
  if (const auto file = text(*args, "save")) log.emplace(*file, model.dim);
  WatchOutputs outputs;
  outputs.event = [&](const WatchEvent& e) {
    print_line(common.json ? to_line(event_json(e)) : event_line(e));
  };
  outputs.warn = [](const std::string& line) { message(line); };
  if (common.json) {
    outputs.file_failed = [](const std::string& file, const std::string& error) {
      print_line(to_line(failure_json(file, error)));
    };
  }
  outputs.report = report ? &*report : nullptr;
  outputs.log = log ? &*log : nullptr;
  outputs.meter = &meter;
  outputs.join = args->count("join") != 0;

  PixelDifference difference(levels);
  const auto gate = make_gate(*args, model.dim);
  const WatchSummary summary =
      watch(*source, levels == 0 ? nullptr : &difference, *gate, model, outputs);

  if (common.json) {
    print_line(to_line(summary_json(summary)));
  } else {
    message(summary_text(summary));
  }
  if (interrupt.requested() != 0) return interrupt.requested();
  if (outputs.failed) return kUnusable;
  return summary.failed > 0 ? kSomeFailed : kDone;
}

}  // namespace sterna::cli
