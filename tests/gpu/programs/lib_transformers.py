# mypy: ignore-errors
"""transformers on the GPU: tiny models with random weights, generation with every kind of processor and search."""

from __future__ import annotations

import torch
from driving import feature, main
from transformers import LlamaConfig, LlamaForCausalLM, T5Config, T5ForConditionalGeneration
from transformers.generation import logits_process as P
from transformers.generation import stopping_criteria as S


def llama(device, **more):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **more,
    )
    return LlamaForCausalLM(config).to(device).eval()


def prompts(device):
    ids = torch.randint(3, 120, (3, 7), device=device)
    mask = torch.ones_like(ids)
    mask[1, :3] = 0
    return {"input_ids": ids.masked_fill(mask == 0, 0), "attention_mask": mask}


@feature
def greedy(device, tiny):
    model = llama(device)
    made = [model.generate(**prompts(device), max_new_tokens=8, do_sample=False)]
    made.append(model.generate(max_new_tokens=4, do_sample=False))
    out = model.generate(
        **prompts(device),
        max_new_tokens=5,
        do_sample=False,
        return_dict_in_generate=True,
        output_scores=True,
        output_logits=True,
    )
    transitions = model.compute_transition_scores(out.sequences, out.scores, normalize_logits=True)
    return [*made, out.sequences, list(out.scores), transitions]


@feature
def sampled(device, tiny):
    model = llama(device)
    return model.generate(
        **prompts(device),
        max_new_tokens=8,
        do_sample=True,
        temperature=0.8,
        top_k=20,
        top_p=0.9,
        min_p=0.01,
        typical_p=0.9,
        epsilon_cutoff=1e-4,
        eta_cutoff=1e-4,
        repetition_penalty=1.1,
        no_repeat_ngram_size=3,
        bad_words_ids=[[5], [7, 9]],
        min_new_tokens=3,
        suppress_tokens=[11, 12],
        begin_suppress_tokens=[13],
        sequence_bias=[[[15], 2.0], [[16, 17], -1.0]],
        exponential_decay_length_penalty=(4, 1.1),
        remove_invalid_values=True,
        renormalize_logits=True,
    )


@feature
def beams(device, tiny):
    model = llama(device)
    more = {"max_new_tokens": 6, "num_beams": 3, "num_return_sequences": 2}
    made = [model.generate(**prompts(device), **more, do_sample=False, length_penalty=0.8)]
    made.append(model.generate(**prompts(device), **more, do_sample=True, top_k=0, early_stopping=True))
    made.append(
        model.generate(
            **prompts(device), **more, do_sample=False, forced_eos_token_id=2, encoder_repetition_penalty=1.1
        )
    )
    return made


@feature
def caches(device, tiny):
    model, made = llama(device), []
    for kind in ("dynamic", "static"):
        more = {"disable_compile": True} if kind == "static" else {}
        made.append(
            model.generate(
                **prompts(device), max_new_tokens=4, do_sample=False, cache_implementation=kind, **more
            )
        )
    made.append(model.generate(**prompts(device), max_new_tokens=4, do_sample=False, use_cache=False))
    return made


@feature
def assisted(device, tiny):
    model = llama(device)
    one = {name: value[:1] for name, value in prompts(device).items()}
    made = [model.generate(**one, max_new_tokens=8, do_sample=False, assistant_model=llama(device))]
    made.append(model.generate(**one, max_new_tokens=8, do_sample=False, prompt_lookup_num_tokens=3))
    made.append(model.generate(**one, max_new_tokens=8, do_sample=True, assistant_model=llama(device)))
    return made


@feature
def encoder_decoder(device, tiny):
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=128, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    model = T5ForConditionalGeneration(config).to(device).eval()
    inputs = prompts(device)
    labels = inputs["input_ids"][:, :4].clone()
    made = [model(**inputs, labels=labels).loss.detach()]
    made.append(model.generate(**inputs, max_new_tokens=5, num_beams=2, do_sample=False))
    return [*made, model.generate(**inputs, max_new_tokens=5, do_sample=True, top_k=9)]


@feature
def ropes(device, tiny):
    made = []
    for rope in (
        {"rope_type": "default", "rope_theta": 10000.0},
        {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
        {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0},
        {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0, "original_max_position_embeddings": 128},
        {
            "rope_type": "llama3",
            "rope_theta": 10000.0,
            "factor": 2.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    ):
        model = llama(device, rope_parameters=rope)
        with torch.no_grad():
            made.append(model(**prompts(device)).logits)
    return made


@feature
def processors(device, tiny):
    """Those that ``generate`` makes only for wishes that cannot be combined."""
    ids = torch.randint(3, 120, (2, 9), device=device)
    scores = torch.randn(2, 128, device=device)
    where = {"device": str(device)}
    made = {}
    cases = [
        P.MinLengthLogitsProcessor(12, 2, **where),
        P.MinNewTokensLengthLogitsProcessor(9, 4, [2, 3], **where),
        P.ForcedBOSTokenLogitsProcessor(1),
        P.ForcedEOSTokenLogitsProcessor(10, [2, 3], **where),
        P.SuppressTokensLogitsProcessor([4, 5], **where),
        P.SuppressTokensAtBeginLogitsProcessor([6, 7], 9, **where),
        P.SequenceBiasLogitsProcessor([[[8], 1.0], [[9, 10], -2.0]]),
        P.NoBadWordsLogitsProcessor([[11], [12, 13]], eos_token_id=2),
        P.PrefixConstrainedLogitsProcessor(lambda batch, sent: [3, 4, 5], num_beams=1),
        P.ExponentialDecayLengthPenalty((2, 1.2), 2, 4),
        P.EncoderNoRepeatNGramLogitsProcessor(2, ids),
        P.NoRepeatNGramLogitsProcessor(2),
        P.WatermarkLogitsProcessor(128, str(device)),
        P.SynthIDTextWatermarkLogitsProcessor(
            ngram_len=3,
            keys=[3, 5, 7],
            sampling_table_size=64,
            sampling_table_seed=0,
            context_history_size=8,
            device=device,
        ),
        P.TopHLogitsWarper(0.4) if hasattr(P, "TopHLogitsWarper") else P.TopKLogitsWarper(4),
        P.InfNanRemoveLogitsProcessor(),
    ]
    for one in cases:
        made[type(one).__name__] = one(ids, scores.clone())
    stops = [S.MaxLengthCriteria(9), S.EosTokenCriteria([2, 3]), S.MaxTimeCriteria(1e6)]
    for stop in stops:
        made[type(stop).__name__] = stop(ids, scores)
    return made


@feature
def trained(device, tiny):
    from transformers.trainer_pt_utils import LabelSmoother

    model = llama(device)
    inputs = prompts(device)
    out = model(**inputs, labels=inputs["input_ids"])
    smoothed = LabelSmoother(0.1)(out, inputs["input_ids"], shift_labels=True)
    return [out.loss.detach(), smoothed.detach()]


if __name__ == "__main__":
    main(__doc__)
