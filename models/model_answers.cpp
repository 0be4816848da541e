#include <sterna/models/model.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "model_impl.h"
#include "text.h"

namespace sterna {

using nn::Mat;

namespace {

constexpr size_t kBeams = 3;  // of a generated text: measured by tools/train/captions.py

}  // namespace

const models::Writer& Model::Impl::writing() const {
  if (writer != nullptr) return *writer;
  throw Error(path.string() + ": the model has no generator: expected tensors generator.*");
}

AnswerTable Model::encode(std::span<const std::string> texts, Session& session) const {
  AnswerTable table{{texts.begin(), texts.end()}, std::vector<float>(texts.size() * dim())};
  impl_->text.embed(texts, {table.embeddings.data(), texts.size(), dim()}, session.executor,
                    session.workspace);
  for (size_t i = 0; i < texts.size(); ++i)
    impl_->known(texts[i], std::span(table.embeddings).subspan(i * dim(), dim()));
  models::check_embedding(path().native(), table.embeddings);
  return table;
}

void Model::answer(const Scene& scene, std::string_view question, const AnswerTable* choices,
                   size_t top, Answer& out, Session& session) const {
  const nn::Workspace::Frame frame(session.workspace);
  const std::span<float> predicted(session.workspace.mat<float>(1, dim()).data, dim());
  const Mat<const float> hidden = impl_->encode(question, session);
  impl_->predict(scene, {&hidden, 1}, {predicted.data(), 1, dim()}, session,
                 choices == nullptr ? impl_->decoder.vocabulary_head_scale : 1.0F);
  decode(predicted, choices, top, out, session);
}

void Model::decode(std::span<const float> predicted, const AnswerTable* choices, size_t top,
                   Answer& out, Session& session) const {
  const Impl& m = *impl_;
  models::check_embedding(m.path.native(), predicted);
  const nn::RowTable table =
      choices == nullptr ? m.decoder.answers
                         : nn::RowTable(choices->embeddings, choices->texts.size(), dim(), m.isa);
  const nn::Workspace::Frame frame(session.workspace);
  const size_t listed = std::clamp<size_t>(top, 1, std::max<size_t>(table.rows(), 1));
  const auto best = session.workspace.array<decoder::Scored>(listed);
  const decoder::NearestAnswer& nearest =
      choices == nullptr ? m.decoder.vocabulary : m.decoder.choices;
  out.sure =
      nearest.decode(predicted, table, best, session.decodes, session.executor, session.workspace);
  const auto text = [&](size_t i) {
    return choices == nullptr ? (*m.decoder.texts)[i] : std::string_view(choices->texts[i]);
  };
  out.text = text(best[0].index);
  out.confidence = best[0].probability;
  out.candidates.resize(listed);
  for (size_t i = 0; i < listed; ++i) {
    out.candidates[i].text = text(best[i].index);
    out.candidates[i].score = best[i].probability;
  }
}

Answer Model::answer(const Scene& scene, std::string_view question, const AnswerTable& choices,
                     size_t top, Session& session) const {
  Answer out;
  answer(scene, question, &choices, top, out, session);
  return out;
}

Answer Model::answer(const Scene& scene, std::string_view question, size_t top,
                     Session& session) const {
  Answer out;
  answer(scene, question, nullptr, top, out, session);
  return out;
}

bool Model::generates() const { return impl_->writer != nullptr; }
std::string_view Model::caption_question() const { return impl_->writing().question; }

void Model::generate(std::span<const float> predicted, size_t top, Answer& out,
                     Session& session) const {
  const models::Writer& writer = impl_->writing();
  const nn::Workspace::Frame frame(session.workspace);
  const size_t listed = std::clamp<size_t>(top, 1, decoder::Generator::kMostBeams);
  const auto best = session.workspace.array<decoder::GeneratedText>(std::max(listed, kBeams));
  ++session.decodes;
  const size_t found = writer.generate(predicted, best, session.executor, session.workspace);
  if (found == 0) throw Error(path().string() + ": generator: expected numbers, found none");
  out.candidates.resize(std::min(listed, found));
  size_t n = 0;
  for (size_t i = 0; i < found && n < listed; ++i) {
    Candidate& next = out.candidates[n];
    writer.spell(best[i].ids, next.text);
    next.score = std::exp(best[i].log_probability);
    // Two that differ in an article alone are one text now: the more probable one stays.
    const auto same = [&](const Candidate& c) { return c.text == next.text; };
    if (std::ranges::none_of(std::span(out.candidates).first(n), same)) ++n;
  }
  out.candidates.resize(n);
  out.text = out.candidates[0].text;
  out.confidence = out.candidates[0].score;
  out.sure = out.confidence >= writer.sure_threshold;
}

void Model::generate(const Scene& scene, std::string_view question, size_t top, Answer& out,
                     Session& session) const {
  const nn::Workspace::Frame frame(session.workspace);
  const std::span<float> predicted = session.workspace.array<float>(dim());
  const Mat<const float> hidden = impl_->encode(question, session);
  // Of a picture as a whole the stem's own reading says more than of what is asked about a part.
  impl_->predict(scene, {&hidden, 1}, {predicted.data(), 1, dim()}, session,
                 question == caption_question() ? impl_->writing().caption_head_scale
                                                : impl_->decoder.vocabulary_head_scale);
  generate(predicted, top, out, session);
}

void Model::caption(const Scene& scene, size_t top, Answer& out, Session& session) const {
  generate(scene, caption_question(), top, out, session);
}

}  // namespace sterna
