#include <doctest/doctest.h>
#include <sterna/models/checkpoint_model.h>
#include <sterna/models/convert.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "tests/models/counting_new.h"
#include "tests/vision/pixels_support.h"

using namespace sterna;

namespace {

const std::filesystem::path kGolden = std::filesystem::path(STERNA_TEST_DATA) / "golden";

std::vector<float> embed(const CheckpointModel& model, const vision::Image& picture, int threads) {
  Session session(threads);
  std::vector<float> out(model.dim());
  model.embed(picture.view(), out, session);
  return out;
}

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return ab / std::sqrt(aa * bb);
}

}  // namespace

TEST_CASE("a picture's embedding is transformers', from pixels on, for every family") {
  size_t seen = 0;
  for (const auto& row : test::table((kGolden / "embeddings.tsv").string())) {
    const auto number = [&](size_t i) { return static_cast<size_t>(std::stoul(row.at(i))); };
    const vision::Image picture =
        test::noise(number(3), number(4), number(2), row.at(1) == "blocks");
    std::vector<float> want;
    std::istringstream numbers(row.at(5));
    for (float x; numbers >> x;) want.push_back(x);
    const auto model = CheckpointModel::open(kGolden / "checkpoints" / row.at(0));
    INFO(row.at(0), " ", picture.width, " x ", picture.height);
    REQUIRE(model.dim() == want.size());
    const std::vector<float> found = embed(model, picture, 1);
    CHECK(cosine(found, want) >= 0.999999);
    double square = 0;
    for (const float x : found) square += static_cast<double>(x) * static_cast<double>(x);
    CHECK(square == doctest::Approx(1).epsilon(1e-6));
    CHECK(embed(model, picture, 3) == found);
    const auto scalar = CheckpointModel::open(kGolden / "checkpoints" / row.at(0),
                                              {.isa = quant::Isa::scalar});
    CHECK(cosine(embed(scalar, picture, 1), found) >= 0.999999);
    ++seen;
  }
  CHECK(seen == 26);
}

TEST_CASE("a clip's embedding is transformers': tubelets of V-JEPA 2, else the mean of frames") {
  size_t seen = 0;
  for (const auto& row : test::table((kGolden / "clips.tsv").string())) {
    const auto number = [&](size_t i) { return static_cast<size_t>(std::stoul(row.at(i))); };
    std::vector<vision::Image> images;
    std::istringstream seeds(row.at(2));
    for (std::string seed; std::getline(seeds, seed, ',');) {
      images.push_back(test::noise(number(3), number(4), std::stoul(seed), row.at(1) == "blocks"));
    }
    std::vector<vision::ImageView> frames;
    for (const vision::Image& image : images) frames.push_back(image.view());
    std::vector<float> want;
    std::istringstream numbers(row.at(5));
    for (float x; numbers >> x;) want.push_back(x);
    const auto model = CheckpointModel::open(kGolden / "checkpoints" / row.at(0));
    INFO(row.at(0), " ", frames.size(), " frames");
    REQUIRE(model.dim() == want.size());
    const bool clips = row.at(0) == "vjepa2";
    CHECK(model.frames_per_clip() == (clips ? 4 : 0));
    Session session(1), three(3);
    std::vector<float> found(want.size()), again(want.size());
    model.embed(frames, found, session);
    CHECK(cosine(found, want) >= 0.999999);
    double square = 0;
    for (const float x : found) square += static_cast<double>(x) * static_cast<double>(x);
    CHECK(square == doctest::Approx(1).epsilon(1e-6));
    model.embed(frames, again, three);
    CHECK(again == found);

    // Frames that were prepared before give the same bits.
    std::vector<std::vector<float>> pixels;
    std::vector<vision::Clip> prepared;
    for (const vision::ImageView& frame : frames) {
      const vision::Sides sides = model.prepared(frame);
      pixels.emplace_back(3 * sides.width * sides.height);
      model.prepare(frame, pixels.back(), session);
      prepared.push_back({pixels.back().data(), 1, sides.height, sides.width});
    }
    model.embed(prepared, again, session);
    CHECK(again == found);

    const size_t before = test::news();
    model.embed(frames, again, session);
    model.embed(prepared, again, session);
    CHECK(test::news() == before);  // the session is warm
    ++seen;
  }
  CHECK(seen == 12);
}

TEST_CASE("clips that can't be embedded, and ones whose tubelets say less") {
  const auto model = CheckpointModel::open(kGolden / "checkpoints/vjepa2");
  const auto clip = CheckpointModel::open(kGolden / "checkpoints/clip");
  Session session(1);
  const vision::Image one = test::noise(40, 30, 1), other = test::noise(40, 30, 2);
  std::vector<float> a(model.dim()), b(model.dim()), c(clip.dim()), small(3);
  // A still clip is a picture; a third frame fills no tubelet, the order of frames counts.
  model.embed(std::vector{one.view(), one.view()}, a, session);
  model.embed(one.view(), b, session);
  CHECK(cosine(a, b) >= 0.999999);
  model.embed(std::vector{one.view(), other.view(), other.view()}, a, session);
  model.embed(std::vector{one.view(), other.view()}, b, session);
  CHECK(a == b);
  model.embed(std::vector{other.view(), one.view()}, b, session);
  CHECK(cosine(a, b) < 0.99999);

  using Views = std::vector<vision::ImageView>;
  CHECK(test::message_of<Error>([&] { model.embed(Views{}, a, session); }) ==
        "clip: expected frames, found none");
  CHECK_THROWS_AS(clip.embed(Views{}, c, session), Error);
  CHECK_THROWS_AS(clip.embed(Views{one.view()}, small, session), Error);
  CHECK_THROWS_AS(model.embed(Views{one.view(), vision::ImageView{}}, a, session), Error);
  const std::vector<float> pixels(2 * 3 * 16 * 12);
  const vision::Clip wide{pixels.data(), 1, 12, 16}, high{pixels.data(), 1, 16, 12},
      two{pixels.data(), 2, 12, 16};
  CHECK(test::message_of<Error>([&] { model.embed(std::vector{wide, high}, a, session); }) ==
        "clip: expected frames of one size, found 16 x 12 and 12 x 16");
  CHECK(test::message_of<Error>([&] { model.embed(std::vector{two}, a, session); }) ==
        "clip: expected views of one frame, found 2");
  const auto texts = CheckpointModel::open(kGolden / "checkpoints/bert");
  std::vector<float> d(texts.dim());
  CHECK(texts.frames_per_clip() == 0);
  CHECK_THROWS_AS(texts.embed(Views{one.view()}, d, session), Error);
  CHECK_THROWS_AS(texts.prepared(one.view()), Error);
}

TEST_CASE("a text's embedding is transformers', from words on, for every kind of folder") {
  size_t seen = 0;
  for (const auto& row : test::table((kGolden / "texts.tsv").string())) {
    const auto text = nlohmann::json::parse(row.at(1)).get<std::string>();
    std::vector<float> want;
    std::istringstream numbers(row.at(2));
    for (float x; numbers >> x;) want.push_back(x);
    const auto model = CheckpointModel::open(kGolden / "texts" / row.at(0));
    INFO(row.at(0), " ", row.at(1));
    REQUIRE(model.dim() == want.size());
    Session session(1), three(3);
    std::vector<float> found(model.dim()), again(model.dim());
    model.embed(text, found, session);
    CHECK(cosine(found, want) >= 0.999999);
    model.embed(text, again, three);
    CHECK(found == again);
    ++seen;
  }
  CHECK(seen == 36);
}

TEST_CASE("a converted file embeds pictures and texts as its folder does") {
  const test::Folder scratch;
  Session session(1);
  const vision::Image picture = test::noise(40, 30, 7);
  size_t seen = 0, read = 0;
  for (const char* kind : {"checkpoints", "texts"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kGolden / kind)) {
      if (!entry.is_directory()) continue;
      const std::string name = entry.path().filename().string();
      CAPTURE(name);
      models::convert(entry.path(), scratch / "m.gguf");
      const auto folder = CheckpointModel::open(entry.path());
      const auto file = CheckpointModel::open(scratch / "m.gguf");
      CHECK(file.dim() == folder.dim());
      CHECK(file.files() == std::vector{scratch / "m.gguf"});
      std::vector<float> want(folder.dim()), found(folder.dim());
      const bool sees = test::message_of<Error>([&] { folder.expect_pictures(); }).empty();
      const bool reads = test::message_of<Error>([&] { folder.expect_texts(); }).empty();
      CHECK(test::message_of<Error>([&] { file.expect_pictures(); }).empty() == sees);
      CHECK(test::message_of<Error>([&] { file.expect_texts(); }).empty() == reads);
      if (sees) {
        folder.embed(picture.view(), want, session);
        file.embed(picture.view(), found, session);
        CHECK(found == want);
        ++seen;
      }
      if (reads) {
        folder.embed("A dog, on the grass", want, session);
        file.embed("A dog, on the grass", found, session);
        CHECK(found == want);
        ++read;
      }
    }
  }
  CHECK(seen == 14);
  CHECK(read == 6);
}

TEST_CASE("texts that are cut off are told") {
  const auto clip = CheckpointModel::open(kGolden / "texts/clip");
  clip.expect_pictures();  // processor_config.json
  clip.expect_texts();
  CHECK(clip.reads_whole("a cat"));
  CHECK_FALSE(clip.reads_whole("a cat and a dog and a fox and a cat and a dog and a fox"));
  const auto fault = [](const std::filesystem::path& folder) {
    const auto model = CheckpointModel::open(folder);
    return test::message_of<Error>([&] { model.expect_texts(); });
  };
  const auto folder = kGolden / "checkpoints";
  CHECK(fault(folder / "vit") ==
        (folder / "vit").string() + ": expected a text tower, found a vision tower alone");
  CHECK(fault(folder / "bert").find("tokenizer.json") != std::string::npos);
  CHECK(fault(folder / "composed").find("composed/text: expected tokenizer.json") !=
        std::string::npos);
}

TEST_CASE("sentence-transformers: where texts are cut off") {
  // max_seq_length stands in the place of the tokenizer's limit; without it the config's counts
  // too.
  const auto whole = [](const char* name, const std::vector<std::array<const char*, 3>>& edits) {
    const test::Folder scratch;
    std::filesystem::copy(kGolden / "texts" / name, scratch / "m",
                          std::filesystem::copy_options::recursive);
    for (const auto& [file, key, value] : edits) {
      std::ifstream in(scratch / "m" / file);
      auto json = nlohmann::json::parse(in);
      json[key] = nlohmann::json::parse(value);
      std::ofstream(scratch / "m" / file) << json;
    }
    const auto model = CheckpointModel::open(scratch / "m");
    size_t words = 0;
    for (std::string text = "a"; model.reads_whole(text) && words < 200; text += " a") ++words;
    return words;
  };
  constexpr const char *kTokenizer = "tokenizer_config.json",
                       *kSentence = "sentence_bert_config.json";
  const size_t template_ids = 2;  // [CLS], [SEP]
  CHECK(whole("sentence_bert", {{kTokenizer, "model_max_length", "9"}}) == 9 - template_ids);
  CHECK(whole("sentence_bert", {{kTokenizer, "model_max_length", "6"},
                                {kSentence, "max_seq_length", "14"}}) == 14 - template_ids);
  const size_t far = whole("sentence_qwen3", {{kTokenizer, "model_max_length", "131072"},
                                              {"config.json", "max_position_embeddings", "64"}});
  CHECK(far < 64);
  CHECK(far > 32);
}

TEST_CASE("Siglip2Tokenizer's texts are in lower case, but for its own tokens") {
  const auto model = CheckpointModel::open(kGolden / "texts/siglip2");
  Session session(1);
  const auto embedding = [&](const char* text) {
    std::vector<float> out(model.dim());
    model.embed(text, out, session);
    return out;
  };
  CHECK(embedding("A CAT") == embedding("a cat"));
  CHECK(embedding("A [MASK] B") == embedding("a [MASK] b"));
  CHECK(embedding("a [mask] b") != embedding("a [MASK] b"));
  CHECK(embedding("a <EOS> b") != embedding("a <eos> b"));
}

TEST_CASE("SiglipTokenizer's texts lose their punctuation, capitals and spaces first") {
  const test::Folder scratch;
  std::filesystem::copy(kGolden / "texts/siglip", scratch / "m");
  std::ofstream(scratch / "m/tokenizer_config.json")
      << R"({"tokenizer_class": "SiglipTokenizer", "pad_token": "</s>",)"
      << R"("model_input_names": ["input_ids"]})";
  const auto plain = CheckpointModel::open(kGolden / "texts/siglip");
  const auto model = CheckpointModel::open(scratch / "m");
  Session session(1);
  std::vector<float> want(plain.dim()), found(plain.dim());
  plain.embed("its a cat on grass", want, session);
  model.embed("  It's a CAT,\ton \n [grass]! ", found, session);
  CHECK(found == want);
}

TEST_CASE("settings of texts that are not run are errors that name file and key") {
  const auto fault = [](const char* name, const char* file, const char* json) {
    const test::Folder scratch;
    std::filesystem::copy(kGolden / "texts" / name, scratch / "m",
                          std::filesystem::copy_options::recursive);
    std::ofstream(scratch / "m" / file) << json;
    std::string message =
        test::message_of<Error>([&] { CheckpointModel::open(scratch / "m"); });
    const std::string folder = (scratch / "m").string() + "/";
    CHECK((message.empty() || message.starts_with(folder)));
    return message.substr(std::min(message.size(), folder.size()));
  };
  CHECK(fault("sentence_bert", "sentence_bert_config.json", R"({"do_lower_case": true})") ==
        "sentence_bert_config.json: do_lower_case: expected false, found true");
  CHECK(fault("sentence_bert", "config_sentence_transformers.json",
              R"({"prompts": {}, "default_prompt_name": "query"})")
            .starts_with("config_sentence_transformers.json: default_prompt_name: expected"));
  CHECK(fault("sentence_qwen3", "1_Pooling/config.json",
              R"({"pooling_mode": "lasttoken", "include_prompt": false})")
            .starts_with("1_Pooling/config.json: include_prompt: expected true"));
  CHECK(fault("siglip", "tokenizer_config.json", R"({"pad_token": "<nothing>"})")
            .starts_with("tokenizer_config.json: pad_token: expected a token of tokenizer.json"));
  CHECK(fault("siglip", "tokenizer_config.json", R"({"pad_token": "</s>", "padding_side": "up"})")
            .starts_with("tokenizer_config.json: padding_side: expected"));
  CHECK(fault("clip", "tokenizer_config.json", R"({"truncation_side": "left"})")
            .starts_with("tokenizer_config.json: truncation_side: expected"));
  CHECK(fault("clip", "tokenizer.json", "{").starts_with("tokenizer.json"));
  CHECK(fault("clip", "tokenizer_config.json", R"({"model_max_length": 1e30})").empty());
}

TEST_CASE("packed blocks cost a checkpoint's embeddings little") {
  const vision::Image picture = test::noise(40, 30, 7);
  const auto path = kGolden / "checkpoints/clip";
  const auto whole = CheckpointModel::open(path);
  const auto half = CheckpointModel::open(path, {.blocks = quant::Type::bf16});
  CHECK(cosine(embed(half, picture, 1), embed(whole, picture, 1)) >= 0.999);
}

TEST_CASE("embedding a picture allocates nothing once the session is warm") {
  for (const char* name : {"clip", "siglip2", "dinov3", "vjepa2", "ijepa"}) {
    const auto model = CheckpointModel::open(kGolden / "checkpoints" / name);
    const vision::Image picture = test::noise(50, 40, 3);
    Session session(1);
    std::vector<float> out(model.dim());
    for (int i = 0; i < 2; ++i) model.embed(picture.view(), out, session);
    const size_t before = test::news();
    model.embed(picture.view(), out, session);
    INFO(name);
    CHECK(test::news() == before);
  }
}

TEST_CASE("V-JEPA 2.1: pictures have a patch map of their own, and what does not fit is named") {
  const test::Folder scratch;
  const auto folder = scratch / "m";
  std::filesystem::copy(kGolden / "checkpoints/vjepa21", folder);
  std::filesystem::copy(kGolden / "checkpoints/vjepa2/video_preprocessor_config.json", folder);
  const auto model = CheckpointModel::open(folder);
  std::vector<float> out(model.dim());
  Session session(1);
  const vision::Image picture = test::noise(64, 48, 5);
  CHECK_THROWS_AS(model.embed(picture.view(), out, session), Error);  // less than a patch
  std::ofstream(folder / "video_preprocessor_config.json")
      << R"({"video_processor_type": "VJEPA2VideoProcessor",)"
      << R"( "crop_size": {"height": 48, "width": 48}})";
  const auto large = CheckpointModel::open(folder);
  std::vector<float> still(large.dim());
  large.embed(picture.view(), out, session);
  large.embed(std::vector{picture.view(), picture.view()}, still, session);
  CHECK(cosine(out, still) < 0.999);  // a clip that stands still is no picture

  const auto fault = [&](const std::string& config) {
    std::ofstream(folder / "config.json") << config;
    return test::message_of<Error>([&] { CheckpointModel::open(folder); });
  };
  CHECK(fault(R"({"model_type": "vjepa2_1", "patch_size": 8})")
            .find("config.json: patch_size: expected 14 or 16") != std::string::npos);
  CHECK(fault(R"({"model_type": "vjepa2_1"})").find("model.safetensors: tensor") !=
        std::string::npos);
}

TEST_CASE("timm's folders: what their names do not say is refused") {
  const test::Folder scratch;
  const auto folder = scratch / "m";
  std::filesystem::copy(kGolden / "checkpoints/timm_vit", folder);
  const auto fault = [&](const char* key, const nlohmann::json& value) {
    std::ifstream in(kGolden / "checkpoints/timm_vit/config.json");
    auto config = nlohmann::json::parse(in);
    config[key] = value;
    std::ofstream(folder / "config.json") << config;
    return test::message_of<Error>([&] { CheckpointModel::open(folder); });
  };
  CHECK(fault("architecture", "vit_tiny_patch4_16").empty());
  for (const char* name : {"vit_base_patch16_siglip_224", "resnet50", "vit_tiny", "vit_patch4_16",
                           "vit_tiny_patch_16", "vit_tiny_patch99999999999999999999_16", ""}) {
    CAPTURE(name);
    CHECK(fault("architecture", name).find("config.json: architecture: expected timm's vit") !=
          std::string::npos);
  }
  CHECK(fault("architecture", "vit_base_patch4_16").find("num_features") == std::string::npos);
  CHECK(fault("num_features", 25).find("num_features: expected a multiple of its 3 heads") !=
        std::string::npos);
  CHECK(fault("global_pool", "map").find("global_pool: expected") != std::string::npos);
  CHECK(fault("model_args", {{"depth", 3}}).find("model_args: expected none") !=
        std::string::npos);
  auto cfg = nlohmann::json{{"input_size", {3, 16, 16}}, {"crop_mode", "border"}};
  CHECK(fault("pretrained_cfg", cfg).find("pretrained_cfg.crop_mode: expected") !=
        std::string::npos);
  CHECK(fault("pretrained_cfg", {{"input_size", {1, 16, 16}}}).find("input_size") !=
        std::string::npos);
}

TEST_CASE("a folder that embeds no pictures says why") {
  const auto fault = [](const std::filesystem::path& folder) {
    const auto model = CheckpointModel::open(folder);
    return test::message_of<Error>([&] { model.expect_pictures(); });
  };
  const auto folder = kGolden / "checkpoints";
  CHECK(fault(folder / "bert") ==
        (folder / "bert").string() + ": expected a vision tower, found a text tower alone");
  CHECK(fault(folder / "composed").find("composed/vision: expected preprocessor_config.json") !=
        std::string::npos);
  CHECK(fault(folder / "dinov2_gelu").find("expected preprocessor_config.json or") !=
        std::string::npos);
  const auto clip = CheckpointModel::open(folder / "clip");
  CHECK(clip.files().size() == 3);
  Session session(1);
  std::vector<float> small(clip.dim() - 1), out(clip.dim());
  const vision::Image picture = test::noise(5, 5, 1);
  CHECK_THROWS_AS(clip.embed(picture.view(), small, session), Error);
  CHECK_THROWS_AS(clip.embed(vision::ImageView{}, out, session), Error);
}
