#include <sterna/nn/unit.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "checkpoint_impl.h"
#include "text.h"

// Questions to checkpoints that have a predictor, and words for embeddings of any.
namespace sterna {

using nn::Mat;

namespace {

constexpr size_t kMostQuestion = 512;  // tokens: arXiv 2512.10942, section 3.1
constexpr float kSure = 0.5F;

/// Of the retrieval that open-vljepa reports (scripts/eval.py).
constexpr const char* kEmbeddingQuestion = "Describe the video.";

}  // namespace

void CheckpointModel::Impl::bind_questions() {
  const models::Source at = models::predictor_source(source);
  if (!models::has_tokenizer(at)) {
    unasking =
        at.name() +
        ": expected tokenizer.json, which makes questions to ids of the predictor, found none";
    return;
  }
  questions.emplace(models::read_text_input(at, kMostQuestion, "llama"));
  embedding_question = kEmbeddingQuestion;
  embedding_question_ids = questions->read(embedding_question).ids;
}

Mat<const float> CheckpointModel::Impl::look(std::span<const vision::Clip> frames, size_t depth,
                                             Session& session) const {
  nn::Workspace& workspace = session.workspace;
  const vision::Vit& vit = model.vision->vit;
  const auto pass = [&](const vision::Clip& clip, Mat<float> tokens) {
    if (depth == kAll) return vit.forward(clip, tokens, session.executor, workspace);
    vit.hidden(clip, depth, tokens, session.executor, workspace);
  };
  if (reads_clips()) {
    const vision::Clip clip = joined(frames, workspace);
    const auto tokens = workspace.mat<float>(vit.tokens(clip), vit.width());
    pass(clip, tokens);
    return tokens;
  }
  size_t rows = 0, row = 0;
  for (const vision::Clip& one : frames) rows += vit.tokens(one);
  const auto tokens = workspace.mat<float>(rows, vit.width());
  for (const vision::Clip& one : frames) {
    const size_t n = vit.tokens(one);
    pass(one, tokens.slice_rows(row, n));
    row += n;
  }
  return tokens;
}

void CheckpointModel::Impl::predict(Mat<const float> tokens, std::span<const uint32_t> question,
                                    std::span<float> out, Session& session) const {
  const nn::Workspace::Frame frame(session.workspace);
  const size_t n = question.size();
  if (n == 0) throw Error("the question is empty: the tokenizer gives no ids for it");
  const auto places = session.workspace.mat<uint32_t>(1, n);
  std::iota(places.data, places.data + n, 0U);
  model.predictor->forward(tokens, question, {places.data, n}, out, session.executor,
                           session.workspace);
  nn::l2_normalize(out.data(), out.size());
  models::check_embedding(path.native(), out);
}

bool CheckpointModel::predicts() const { return impl_->predicts(); }

void CheckpointModel::expect_questions() const {
  if (!impl_->predicts()) {
    throw Error(path().string() + ": expected a predictor, which hears questions, found " +
                (impl_->model.vision && impl_->model.text ? "two towers" : "a tower") + " alone");
  }
  if (!impl_->questions) throw Error(impl_->unasking);
}

std::string_view CheckpointModel::embedding_question() const { return impl_->embedding_question; }

bool CheckpointModel::hears_whole(std::string_view question) const {
  expect_questions();
  return impl_->questions->reads_whole(question);
}

void CheckpointModel::see(const vision::ImageView& picture, Scene& scene, Session& session,
                          size_t depth) const {
  impl_->expect_frames(1);
  const nn::Workspace::Frame frame(session.workspace);
  const vision::Clip clip = impl_->prepared(picture, session);
  see(std::span(&clip, 1), scene, session, depth);
}

void CheckpointModel::see(std::span<const vision::Clip> frames, Scene& scene, Session& session,
                          size_t depth) const {
  impl_->expect_singles(frames);
  const nn::Workspace::Frame frame(session.workspace);
  const Mat<const float> tokens = impl_->look(frames, depth, session);
  scene.model = depth == kAll ? impl_->id : 0;
  scene.tokens = tokens.rows;
  scene.features.assign(tokens.data, tokens.data + tokens.rows * tokens.cols);
  scene.semantics.clear();
  scene.fine.clear();
  scene.seen = {0, 0, 1, 1};
}

void CheckpointModel::predict(const Scene& scene, std::string_view question, std::span<float> out,
                              Session& session) const {
  expect_questions();
  impl_->check(out);
  const size_t width = impl_->model.vision->vit.width();
  if (scene.model != impl_->id || scene.tokens == 0 ||
      scene.features.size() != scene.tokens * width) {
    throw Error("scene: expected one that this model's see() made without a depth, found " +
                std::string(scene.tokens == 0 ? "an empty one" : "another"));
  }
  impl_->predict({scene.features.data(), scene.tokens, width}, impl_->questions->read(question).ids,
                 out, session);
}

AnswerTable CheckpointModel::encode(std::span<const std::string> texts, Session& session) const {
  AnswerTable table{{texts.begin(), texts.end()}, std::vector<float>(texts.size() * dim())};
  for (size_t i = 0; i < texts.size(); ++i) {
    embed(std::string_view(texts[i]), std::span(table.embeddings).subspan(i * dim(), dim()),
          session);
  }
  return table;
}

void CheckpointModel::decode(std::span<const float> embedding, const AnswerTable& choices,
                             size_t top, Answer& out, Session& session) const {
  impl_->check(embedding);
  models::check_embedding(impl_->path.native(), embedding);
  const size_t n = choices.texts.size();
  if (n == 0) throw Error("choices: expected at least one, found none");
  if (choices.embeddings.size() != n * dim()) {
    throw Error("choices: expected " + std::to_string(n * dim()) + " numbers, found " +
                std::to_string(choices.embeddings.size()));
  }
  ++session.decodes;
  const nn::Workspace::Frame frame(session.workspace);
  const std::span<float> scores = session.workspace.array<float>(n);
  const std::span<size_t> order = session.workspace.array<size_t>(n);
  for (size_t i = 0; i < n; ++i) {
    scores[i] = static_cast<float>(std::inner_product(
        embedding.begin(), embedding.end(), choices.embeddings.data() + i * dim(), 0.0));
  }
  std::iota(order.begin(), order.end(), size_t{0});
  const size_t listed = std::clamp<size_t>(top, 1, n);
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(listed), order.end(),
                    [&](size_t a, size_t b) {
                      return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
                    });
  if (impl_->model.logits) {
    models::score(*impl_->model.logits, scores);
  } else {
    for (float& c : scores) c = std::clamp(c, 0.0F, 1.0F);
  }
  out.candidates.resize(listed);
  for (size_t i = 0; i < listed; ++i) {
    out.candidates[i].text = choices.texts[order[i]];
    out.candidates[i].score = scores[order[i]];
  }
  out.text = out.candidates[0].text;
  out.confidence = out.candidates[0].score;
  out.sure = out.confidence >= kSure;
}

Answer CheckpointModel::answer(const Scene& scene, std::string_view question,
                               const AnswerTable& choices, size_t top, Session& session) const {
  const nn::Workspace::Frame frame(session.workspace);
  const std::span<float> predicted = session.workspace.array<float>(dim());
  predict(scene, question, predicted, session);
  Answer out;
  decode(predicted, choices, top, out, session);
  return out;
}

}  // namespace sterna
