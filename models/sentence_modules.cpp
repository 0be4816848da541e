#include <algorithm>
#include <array>
#include <utility>

#include "blocks.h"
#include "towers.h"

// Folders of sentence-transformers: modules.json lists what runs one after the other, each module
// with a folder of its own.
namespace sterna::models {
namespace {

using language::TextPool;

struct PoolName {
  std::string_view name, old;  // as pooling_mode has it, and as a key of its own before
  TextPool mode;
};
// In the order in which several are joined.
constexpr std::array kPools = {
    PoolName{"cls", "pooling_mode_cls_token", TextPool::first_seen},
    PoolName{"max", "pooling_mode_max_tokens", TextPool::max},
    PoolName{"mean", "pooling_mode_mean_tokens", TextPool::mean},
    PoolName{"mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", TextPool::mean_sqrt},
    PoolName{"weightedmean", "pooling_mode_weightedmean_tokens", TextPool::weighted_mean},
    PoolName{"lasttoken", "pooling_mode_lasttoken", TextPool::last_seen},
};

TextPool pool_named(const Config& config, std::string_view name) {
  std::string known;
  for (const PoolName& pool : kPools) {
    if (pool.name == name) return pool.mode;
    known += (known.empty() ? "" : ", ") + std::string(pool.name);
  }
  config.fail("pooling_mode", "of " + known);
}

std::vector<TextPool> read_pools(const Config& config, size_t width) {
  for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
    if (config.integer(key, 1, kMostWidth, width) != width)
      config.fail(key, std::to_string(width) + ", the width of the tower");
  }
  std::vector<TextPool> pools;
  if (config.is_list("pooling_mode")) {
    for (const std::string& name : config.strings("pooling_mode"))
      pools.push_back(pool_named(config, name));
  } else if (config.has("pooling_mode")) {
    pools = {pool_named(config, config.string("pooling_mode"))};
  } else {
    for (const PoolName& pool : kPools)
      if (config.boolean(pool.old, false)) pools.push_back(pool.mode);
  }
  if (pools.empty()) pools = {TextPool::mean};
  if (pools.size() > kPools.size())
    config.fail("pooling_mode", "at most " + std::to_string(kPools.size()) + " modes");
  return pools;
}

/// What a module reads and writes, where it may be told.
void expect_embedding(const Config& config) {
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (config.string(key, "sentence_embedding") != "sentence_embedding")
      config.fail(key, "\"sentence_embedding\"");
  }
}

/// activation_function is a class of torch: "torch.nn.modules.activation.Tanh".
void read_dense_activation(const Config& config, HeadStep& step) {
  const std::string name = config.string("activation_function", "torch.nn.Tanh");
  const std::string type = name.substr(name.rfind('.') + 1);
  if (type == "Tanh") {
    step.tanh = true;
  } else if (type == "ReLU") {
    step.activation = nn::Activation::relu;
  } else if (type == "SiLU") {
    step.activation = nn::Activation::silu;
  } else if (type == "GELU") {
    step.activation = nn::Activation::gelu;
  } else if (type != "Identity") {
    config.fail("activation_function", "torch's Identity, Tanh, ReLU, SiLU or GELU");
  }
}

HeadStep bind_dense(const Source& source, size_t width, const Opening& opening,
                    FolderModel& model) {
  const Config config = source.config("config.json");
  expect_embedding(config);
  if (config.integer("in_features", 1, 16 * kMostWidth) != width)
    config.fail("in_features", std::to_string(width) + ", the width of what is pooled");
  if (config.boolean("use_residual", false)) config.fail("use_residual", "false");
  const size_t out = config.integer("out_features", 1, 16 * kMostWidth);
  const Tensors tensors =
      Tensors(*model.files.emplace_back(source.weights(opening)), opening.isa).of(Part::text);
  HeadStep step{.map = tensors.linear("linear", out, width, config.boolean("bias", true))};
  read_dense_activation(config, step);
  return step;
}

HeadStep bind_layer_norm(const Source& source, size_t width, const Opening& opening,
                         FolderModel& model) {
  const Config config = source.config("config.json");
  if (config.integer("dimension", 1, 16 * kMostWidth) != width)
    config.fail("dimension", std::to_string(width) + ", the width of what is pooled");
  const Tensors tensors =
      Tensors(*model.files.emplace_back(source.weights(opening)), opening.isa).of(Part::text);
  return {.norm = tensors.layer_norm("norm", width, 1e-5)};
}

}  // namespace

FolderModel open_sentence(const Source& source, const Opening& opening) {
  const std::vector<Config> modules = source.configs("modules.json");
  FolderModel model;
  bool pooled = false;
  for (size_t i = 0; i < modules.size(); ++i) {
    const Config& module = modules[i];
    // Releases have moved the classes from package to package; their names have stayed.
    const std::string path = module.string("type"), type = path.substr(path.rfind('.') + 1);
    const auto at = [&] { return source.inner(module, "path"); };
    if ((i == 0) != (type == "Transformer"))
      module.fail("type", i == 0 ? "a Transformer first" : "one Transformer, the first module");
    if (i == 0) {
      model = open_tower(at(), opening);
      if (model.kind != FolderModel::Kind::single || !model.text)
        module.fail("path", "the folder of a text tower");
      continue;
    }
    TextPart& part = *model.text;
    if (!pooled && type != "Pooling") module.fail("type", "Pooling behind the Transformer");
    if (type == "Pooling" && !pooled) {
      pooled = true;
      part.pools = read_pools(at().config("config.json"), part.tower.width());
      part.pool_end = false;
      part.head = {};
    } else if (type == "Dense") {
      part.head.embedding.push_back(bind_dense(at(), embedding_width(part), opening, model));
    } else if (type == "LayerNorm") {
      part.head.embedding.push_back(bind_layer_norm(at(), embedding_width(part), opening, model));
    } else if (type == "Normalize") {
      part.head.embedding.push_back({.unit = true});
    } else if (type != "Dropout") {  // which does nothing outside of training
      module.fail("type", "Transformer, one Pooling, Dense, LayerNorm, Normalize or Dropout");
    }
  }
  return model;
}

}  // namespace sterna::models
