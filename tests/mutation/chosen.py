"""Which modules `make mutation` mutates, and with which tests."""

from __future__ import annotations

MODULES = (
    "h2dlint/engine/edits.py",
    "h2dlint/engine/fixing.py",
    "h2dlint/engine/verifying.py",
    "h2dlint/engine/write.py",
    "h2dlint/rules/binding.py",
    "h2dlint/rules/constants.py",
    "h2dlint/rules/constructors.py",
    "h2dlint/rules/copies.py",
    "h2dlint/rules/factory_moves.py",
    "h2dlint/rules/helpers.py",
    "h2dlint/rules/host_indices.py",
    "h2dlint/rules/htd[1-3]*.py",
    "h2dlint/rules/htd402.py",
    "h2dlint/rules/indexing.py",
    "h2dlint/rules/ladder.py",
    "h2dlint/rules/movers.py",
    "h2dlint/rules/pinned_moves.py",
    "h2dlint/rules/pinned_sources.py",
    "h2dlint/rules/place.py",
    "h2dlint/rules/rewriter.py",
    "h2dlint/rules/style.py",
    "h2dlint/rules/trust.py",
)
"""The fix engine, and what in the rules builds fixes and says how sure they are; HTD401 and HTD403 have no fixes."""

TESTS = (
    "tests/rules/test_fixes.py",
    "tests/rules/test_equivalence.py",
    "tests/rules/test_hazard_rules.py",
    "tests/rules/test_library_review.py",
    "tests/rules/test_mutants.py",
    "tests/rules/test_mutants_2.py",
    "tests/rules/test_mutants_4.py",
    "tests/rules/test_mutants_3.py",
    "tests/rules/test_pinned_sources.py",
    "tests/rules/test_safety_review.py",
    "tests/rules/test_statement_lines.py",
    "tests/rules/test_torch_version.py",
    "tests/test_rules_meta.py",
    "tests/engine/test_edits.py",
    "tests/engine/test_fixing.py",
    "tests/engine/test_fixing_mutants.py",
    "tests/engine/test_write.py",
    "tests/engine/test_notebooks.py",
    "tests/engine/test_verifying.py",
    "tests/profiles/test_bound_names.py",
    "tests/profiles/test_helper.py",
    "tests/profiles/test_hidden_names.py",
    "tests/profiles/test_imports.py",
    "tests/profiles/test_predicate.py",
    "tests/cli/test_fix.py",
)
"""What runs these modules; of these tests each mutant gets those that run its function."""
