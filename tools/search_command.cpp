#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/embedder.h"
#include "cli/error.h"
#include "cli/index_folder.h"
#include "cli/inputs.h"
#include "cli/open_index.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/text.h"

namespace sterna::cli {

/// `sterna search`, also `sterna index search`.
int search_command(int argc, char** argv) {
  Options options("search", "INDEX [\"WORDS\"] [--image PICTURE] [OPTION...]",
                  "Find pictures in an index by words, by a picture, or by both.\n");
  options.add_model_options();
  options.add()("image", "A picture to look for (- is standard input)",
                cxxopts::value<std::string>(), "PICTURE")(
      "top", "How many to show", cxxopts::value<int>()->default_value("10"), "N");
  const auto args = options.parse(argc, argv);
  if (!args) return kDone;
  const Common common = options.common(*args);
  const auto& names = options.positionals();
  const int top = (*args)["top"].as<int>();
  if (top < 1) throw UsageError("--top: expected at least 1, found " + std::to_string(top));
  if (names.empty() || names.size() > 2) throw UsageError("expected INDEX and, in quotes, words");
  const bool by_image = args->count("image") != 0;
  if (names.size() == 1 && !by_image) throw UsageError("expected words or --image");
  if (names.size() == 2 && !is_utf8(names[1])) throw UsageError("the words are not valid UTF-8");
  if (names.size() == 2 && trimmed(names[1]).empty()) throw UsageError("the words are empty");

  const bool by_words = names.size() == 2;
  const auto embedder =
      open_embedder(common, by_words ? Embedder::Input::texts : Embedder::Input::pictures);
  if (by_words && by_image) embedder->expect(Embedder::Input::pictures);
  const IndexFolder index = open_index(names[0], *embedder, common);
  Worker worker(common.threads);
  std::vector<float> query(embedder->dim(), 0.0F), vector(embedder->dim());
  const auto add = [&] {
    for (size_t i = 0; i < query.size(); ++i) query[i] += vector[i];
  };
  if (by_words) {
    if (!embedder->reads_whole(names[1])) message("the words are too long: their end is not read");
    embedder->embed(names[1], worker, vector);
    add();
  }
  if (by_image) {
    const auto image = (*args)["image"].as<std::string>();
    try {
      read_picture(image, worker);
      embedder->embed(decode_picture(image, worker).view(), worker, vector);
    } catch (const Error& e) {  // an input that failed, not the index
      message(e.what());
      return kSomeFailed;
    }
    add();
  }
  float norm = 0;
  for (const float x : query) norm += x * x;
  for (float& x : query) x /= std::sqrt(std::max(norm, 1e-12F));

  size_t rank = 0;
  for (const Hit& hit : index.search(query, static_cast<size_t>(top))) {
    const IndexEntry& entry = index.entries()[hit.row];
    if (common.json) {
      Json line{{"rank", ++rank}};
      put_name(line, "input", entry.input);
      line["score"] = std::round(hit.score * 1e6) / 1e6;
      line["sha256"] = entry.sha256;
      print_line(to_line(line));
    } else {
      char score[16];
      std::snprintf(score, sizeof score, "%6.3f  ", hit.score);
      print_line(score + printable(entry.input));
    }
  }
  return kDone;
}

}  // namespace sterna::cli
