#include <doctest/doctest.h>
#include <sterna/models/check.h>
#include <sterna/models/info.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

using namespace sterna;
namespace fs = std::filesystem;

namespace {

const fs::path kGolden = fs::path(STERNA_TEST_DATA) / "golden/checkpoints";

/// A copy of a folder of the goldens, to be spoilt.
struct Folder {
  test::Folder scratch;
  fs::path path, golden;

  explicit Folder(const std::string& name)
      : path(scratch / "m"), golden(kGolden / (name + ".golden.safetensors")) {
    fs::copy(kGolden / name, path, fs::copy_options::recursive);
  }
  void write(const std::string& file, const std::string& text) const {
    std::ofstream(path / file, std::ios::binary) << text;
  }
  /// Replaces a text in a file.
  void edit(const std::string& file, const std::string& from, const std::string& to) const {
    std::stringstream in;
    in << std::ifstream(path / file, std::ios::binary).rdbuf();
    std::string text = in.str();
    const size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    write(file, text.replace(at, from.size(), to));
  }
  std::vector<models::Agreement> check() const {
    Session session(1);
    return models::check(path, golden, session);
  }
  /// That the folder is refused with a message that holds all these texts.
  void refuses(std::initializer_list<std::string> texts) const {
    std::string said;
    try {
      check();
    } catch (const Error& e) {
      said = e.what();
    }
    CAPTURE(said);
    CHECK(said.starts_with(path.string()));
    CHECK(said.find('\n') == std::string::npos);
    for (const std::string& text : texts) {
      CAPTURE(text);
      CHECK(said.find(text) != std::string::npos);
    }
  }
};

}  // namespace

TEST_CASE("sterna.json names folders inside its own, and nothing else") {
  const Folder f("composed");
  const auto compose = [&](const std::string& vision) {
    f.write("sterna.json",
            R"({"vision": ")" + vision + R"(", "text": "text", "predictor": "predictor"})");
  };
  for (const char* way : {"vision", "./vision", "text/../vision"}) {
    CAPTURE(way);
    compose(way);
    if (std::string(way).find("..") == std::string::npos)
      CHECK(f.check().size() == 3);
    else
      f.refuses({"sterna.json: vision", "inside"});
  }
  fs::create_directory(f.scratch / "outside");
  fs::create_directory_symlink(f.scratch / "outside", f.path / "out");
  fs::create_directory_symlink(f.path / "round", f.path / "again");
  fs::create_directory_symlink(f.path / "again", f.path / "round");
  fs::create_directory_symlink(f.path / "vision", f.path / "linked");
  for (const char* way : {"../m/vision", "..", "out", "/", "vision/..", "again", "round/x", "gone",
                          "vision/config.json", "a\\u0000b"}) {
    CAPTURE(way);
    compose(way);
    f.refuses({"sterna.json: vision", "folder"});
  }
  compose((f.path / "vision").string());
  f.refuses({"sterna.json: vision", "inside"});
  compose("linked");
  CHECK(f.check().size() == 3);
}

TEST_CASE("sterna.json and the folders it names must fit each other") {
  const Folder f("composed");
  const std::string good = R"({"vision": "vision", "text": "text", "predictor": "predictor"})";
  for (const auto& [json, says] :
       {std::pair{R"({"vision": "text", "text": "text", "predictor": "predictor"})",
                  "vision tower"},
        {R"({"vision": "vision", "text": "vision", "predictor": "predictor"})", "text tower"},
        {R"({"vision": "vision", "text": "text", "predictor": "vision"})", "\"llama\""},
        {R"({"vision": "vision", "text": "text"})", "predictor: expected a text"},
        {R"({"vision": 3, "text": "text", "predictor": "predictor"})", "vision: expected a text"},
        {R"({"vision": ".", "text": "text", "predictor": "predictor"})", "config.json"},
        {"[]", "expected an object"},
        {"{", "expected JSON"}}) {
    const char* const written = json;  // clang 14 captures no structured binding
    CAPTURE(written);
    f.write("sterna.json", json);
    f.refuses({says});
  }
  f.write("sterna.json", good);
  f.edit("predictor/config.json", "\"proj_dim\": 20", "\"proj_dim\": 21");
  f.refuses({"model.safetensors", "out_proj"});
}

TEST_CASE("modules that Sterna does not run, or that don't fit, are errors that name them") {
  for (const auto& [from, to, says] :
       {std::tuple{"models.LayerNorm", "models.LSTM", "[3].type"},
        {"models.Pooling", "models.WeightedLayerPooling", "[1].type"},
        {"models.Transformer", "models.BoW", "[0].type"},
        {"models.Normalize", "models.Transformer", "[4].type"},
        {"models.Normalize", "models.Pooling", "[4].type"},
        {"2_Dense", "../m/2_Dense", "[2].path"},
        {"2_Dense", "3_LayerNorm", "in_features"},
        {"2_Dense", "gone", "[2].path"}}) {
    const char* const edited = to;
    CAPTURE(edited);
    const Folder f("sentence_bert");
    f.edit("modules.json", from, to);
    f.refuses({says});
  }
  for (const auto& [file, from, to, says] :
       {std::tuple{"1_Pooling/config.json", "\"max\"", "\"most\"", "weightedmean"},
        {"1_Pooling/config.json", "16", "17", "width of the tower"},
        {"2_Dense/config.json", "Tanh", "Softplus", "activation_function"},
        {"2_Dense/config.json", "96", "80", "in_features"},
        {"2_Dense/config.json", "12", "13", "linear.weight"},
        {"2_Dense/config.json", "sentence_embedding", "token_embeddings", "module_input_name"}}) {
    const char* const edited = to;
    CAPTURE(edited);
    const Folder f("sentence_bert");
    f.edit(file, from, to);
    f.refuses({says});
  }
  for (const char* json : {"[]", "{}", "[1]", "7"}) {
    const char* const written = json;  // clang 14 captures no structured binding
    CAPTURE(written);
    const Folder f("sentence_bert");
    f.write("modules.json", json);
    f.refuses({"modules.json: expected a list"});
  }
}

TEST_CASE("folders where tokenizers may lie are no links out of the model's or in circles") {
  for (const char* name : {"predictor", "y_encoder"}) {
    CAPTURE(name);
    const Folder f("bert");
    const auto said = [&](const fs::path& target) {
      fs::remove(f.path / name);
      fs::create_directory_symlink(target, f.path / name);
      return test::message_of<Error>([&] { models::describe(f.path); });
    };
    const std::string start = (f.path / name).string() + ": expected a folder ";
    fs::create_directory(f.scratch / "outside");
    std::ofstream(f.scratch / "outside/tokenizer.json") << "{}";
    fs::create_directory(f.path / "inside");
    std::ofstream(f.path / "inside/tokenizer.json") << "{}";
    std::ofstream(f.path / "tokenizer.json") << "{}";
    CHECK(said("inside") == "");
    CHECK(said("../outside") ==
          start + "inside the one of this file, not a link out of it, found a link");
    CHECK(said(".") == start + "inside the one of this file, not a link to that one, found a link");
    CHECK(said(name) == start + "that exists, found a link");
    CHECK(said("gone") == start + "that exists, found a link");
    // A file in it that can't be read is an error of reading, and no other exception.
    fs::remove(f.path / name);
    fs::create_directory(f.path / name);
    fs::create_symlink("tokenizer.json", f.path / name / "tokenizer.json");
    CHECK_NOTHROW(test::message_of<Error>([&] { models::describe(f.path); }));
    fs::remove_all(f.path / name);
  }
}
