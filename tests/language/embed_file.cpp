// Driver of tests/language/compare_minilm.py:
//   embed_file MODEL_DIR 'what=type[/group],...' [--threads N] [--isa NAME] < sentences > out
// MODEL_DIR holds model.safetensors and tokenizer.json of a BERT as Hugging Face stores it.
// Patterns are substrings of "qkv", "attn_out", "mlp_up", "mlp_down", "token_embedding" (which
// takes f32 or i8); types those of quant. In: texts, each ended by a NUL. Out: [texts, width]
// float32. `embed_file MODEL_DIR TYPES --time` prints milliseconds a text of 12 and of 128 tokens
// instead.
#include <sterna/language/bert.h>
#include <sterna/language/text_pool.h>
#include <sterna/language/tokenizer.h>
#include <sterna/models/safetensors.h>
#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

using namespace sterna;

namespace {

constexpr size_t kMostTokens = 256;  // sentence-transformers' limit for MiniLM

/// Owns what the encoder's weights point to.
struct Loaded {
  std::deque<std::vector<float>> floats;
  std::deque<quant::Packed> packed;
  std::deque<quant::RowTable> tables;
};

struct Choice {
  quant::Type type = quant::Type::f32;
  size_t group = 0;
};

std::map<std::string, Choice> parse_types(const std::string& text) {
  std::map<std::string, Choice> choices;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string item = text.substr(at, end - at);
    const size_t equals = item.find('='), slash = item.find('/');
    Choice choice{quant::parse_type(item.substr(equals + 1, slash - equals - 1)), 0};
    if (slash != std::string::npos) choice.group = std::stoul(item.substr(slash + 1));
    choices[item.substr(0, equals)] = choice;
    at = end + 1;
  }
  return choices;
}

class Loader {
 public:
  Loader(const models::Safetensors& file, std::map<std::string, Choice> types, Loaded& own,
         quant::Isa isa)
      : file_(file), types_(std::move(types)), own_(own), isa_(isa) {}

  std::span<const float> floats(const std::string& name) {
    return own_.floats.emplace_back(file_.at(name).floats());
  }
  language::LayerNorm norm(const std::string& scope) {
    return {floats(scope + ".weight"), floats(scope + ".bias")};
  }
  nn::RowTable table(const std::string& name, const char* kind) {
    const auto data = floats(name);
    const size_t rows = file_.at(name).shape.at(0), cols = data.size() / rows;
    if (types_[kind].type == quant::Type::f32) return {data, rows, cols, isa_};
    const auto& t = own_.tables.emplace_back(quant::pack_rows(data, rows, cols));
    return nn::RowTable::int8(t.data, t.scale, rows, cols, isa_);
  }
  /// The maps named, stacked.
  quant::Linear linear(const std::string& kind, size_t block,
                       const std::vector<std::string>& names) {
    auto& w = own_.floats.emplace_back();
    auto& b = own_.floats.emplace_back();
    for (const std::string& name : names) {
      const auto wi = file_.at(name + ".weight").floats(), bi = file_.at(name + ".bias").floats();
      w.insert(w.end(), wi.begin(), wi.end());
      b.insert(b.end(), bi.begin(), bi.end());
    }
    const size_t m = b.size(), k = w.size() / m;
    const std::string own_choice = kind + "." + std::to_string(block);
    const Choice c = types_.count(own_choice) ? types_[own_choice] : types_[kind];
    const auto& p = own_.packed.emplace_back(quant::pack(c.type, w, m, k, c.group));
    // Kernels want 64-byte alignment: copy into a float vector with room to shift.
    auto& room = own_.floats.emplace_back(p.data.size() / 4 + 17);
    void* start = room.data();
    size_t space = room.size() * 4;
    std::align(64, p.data.size(), start, space);
    std::memcpy(start, p.data.data(), p.data.size());
    const std::span data(static_cast<const std::byte*>(start), p.data.size());
    return {quant::WeightView{c.type, m, k, data, p.scale, c.group}, b, isa_};
  }

 private:
  const models::Safetensors& file_;
  std::map<std::string, Choice> types_;
  Loaded& own_;
  quant::Isa isa_;
};

language::Bert load_bert(const models::Safetensors& file, const std::string& types, Loaded& own,
                         quant::Isa isa) {
  Loader load(file, parse_types(types), own, isa);
  language::BertWeights w{load.table("embeddings.word_embeddings.weight", "token_embedding"),
                          load.table("embeddings.position_embeddings.weight", "position"),
                          load.floats("embeddings.token_type_embeddings.weight"),
                          load.norm("embeddings.LayerNorm"),
                          {}};
  w.type = w.type.first(w.type.size() / 2);  // type 0
  for (size_t i = 0; file.find("encoder.layer." + std::to_string(i) + ".output.dense.weight");
       ++i) {
    const std::string s = "encoder.layer." + std::to_string(i) + ".";
    const std::string a = s + "attention.self.";
    w.blocks.push_back({load.linear("qkv", i, {a + "query", a + "key", a + "value"}),
                        load.linear("attn_out", i, {s + "attention.output.dense"}),
                        load.norm(s + "attention.output.LayerNorm"),
                        load.linear("mlp_up", i, {s + "intermediate.dense"}),
                        load.linear("mlp_down", i, {s + "output.dense"}),
                        load.norm(s + "output.LayerNorm")});
  }
  return language::Bert(std::move(w), 12, 1e-12f, isa);
}

void time_texts(const language::Bert& bert, const nn::Executor& executor) {
  nn::Workspace workspace;
  for (const size_t tokens : std::initializer_list<size_t>{4, 12, 128, 256}) {
    std::vector<uint32_t> ids(tokens, 2000);
    const uint32_t starts[2] = {0, static_cast<uint32_t>(tokens)};
    std::vector<float> out(tokens * bert.width());
    std::vector<double> times;
    for (int i = 0; i < 60; ++i) {
      const std::clock_t start = std::clock();
      bert.forward(ids, starts, {out.data(), tokens, bert.width()}, executor, workspace);
      times.push_back(1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    std::sort(times.begin(), times.end());
    std::printf("%zu tokens: %.2f ms (median), %.2f ms (best)\n", tokens, times[30], times[0]);
  }
}

int run(int argc, char** argv) {
  const std::filesystem::path dir = argv[1];
  int threads = 1;
  bool time = false;
  quant::Isa isa = quant::best_isa();
  for (int i = 3; i < argc; ++i) {
    const std::string option = argv[i];
    if (option == "--time") time = true;
    if (option == "--threads" && i + 1 < argc) threads = std::atoi(argv[++i]);
    if (option == "--isa" && i + 1 < argc) isa = quant::parse_isa(argv[++i]);
  }
  const auto file = models::Safetensors::open(dir / "model.safetensors");
  Loaded own;
  const auto tokenizer = language::Tokenizer::load(dir / "tokenizer.json");
  const language::Bert bert = load_bert(file, argv[2], own, isa);
  const nn::Executor executor(threads);
  if (time) return time_texts(bert, executor), 0;
  std::vector<std::string> texts(1);
  for (int c; (c = std::getchar()) != EOF;) {
    if (c == 0)
      texts.emplace_back();
    else
      texts.back().push_back(static_cast<char>(c));
  }
  texts.pop_back();
  const size_t width = bert.width();
  std::vector<float> out(texts.size() * width), hidden;
  std::vector<uint32_t> ids;
  nn::Workspace workspace;
  for (size_t i = 0; i < texts.size(); ++i) {
    tokenizer.encode(texts[i], kMostTokens, ids);
    const uint32_t starts[2] = {0, static_cast<uint32_t>(ids.size())};
    hidden.resize(ids.size() * width);
    const nn::Mat<float> states(hidden.data(), ids.size(), width);
    bert.forward(ids, starts, states, executor, workspace);
    const std::span<float> row = std::span(out).subspan(i * width, width);
    language::pool_text(language::TextPool::mean, states, {}, row);
    nn::l2_normalize(row.data(), width);
  }
  return std::fwrite(out.data(), 4, out.size(), stdout) == out.size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
