/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a checked policy to an image. The passes run in the order of what
 * refers to what: a rule needs the numbers of everything it names, the index
 * needs the rules.
 */
#include "policy/compile.h"

#include <stdlib.h>

static int (*const passes[])(struct cd_compile *) = {
	cd_compile_sort,    cd_compile_segments, cd_compile_feeds,
	cd_compile_groups,  cd_compile_hosts,	 cd_compile_apps,
	cd_compile_rules,   cd_compile_watches,	 cd_compile_index,
	cd_compile_screens,
};

static int check_limits(const struct cd_policy *policy, struct cd_diag *diag)
{
	if (policy->n_of_kind[CD_AST_RULE] <= CD_MAX_RULES &&
	    policy->n_of_kind[CD_AST_APP] <= CD_MAX_APPS)
		return 0;
	cd_diag_add(diag, CD_ERROR, NULL, 0, 0,
		    "a policy has at most %u rules and %u apps", CD_MAX_RULES,
		    CD_MAX_APPS);
	return CD_E_LIMIT;
}

static int run(struct cd_compile *c, void **ret_image, size_t *ret_size)
{
	size_t before = c->diag ? cd_diag_errors(c->diag) : 0;
	int err = 0;

	for (size_t i = 0; i < CD_ARRAY_SIZE(passes) && !err; i++) {
		err = passes[i](c);
		if (!err && c->w.err)
			err = c->w.err;
		if (!err && c->diag && cd_diag_errors(c->diag) != before)
			err = CD_E_CHECK;
	}
	return err ? err : cd_writer_finish(&c->w, ret_image, ret_size);
}

int cd_policy_compile(const struct cd_policy *policy,
		      const struct cd_loader *loader, struct cd_diag *diag,
		      void **ret_image, size_t *ret_size)
{
	struct cd_compile c = {
		.policy = policy, .loader = loader, .diag = diag};
	struct cd_diag *own cd_auto(cd_diag_free) = NULL;
	int err = 0;

	/* Errors are found by counting them: a caller who does not want them
	 * must not get an image for that. */
	if (!diag) {
		err = cd_diag_new(&own);
		c.diag = diag = own;
	}
	if (!err)
		err = check_limits(policy, diag);
	if (!err)
		err = cd_policy_check(policy, loader, diag);
	if (!err)
		err = cd_arena_new(CD_COMPILE_MEMORY, &c.arena);
	if (err)
		return err;
	cd_writer_init(&c.w);
	err = run(&c, ret_image, ret_size);
	cd_writer_done(&c.w);
	cd_arena_free(&c.arena);
	return err;
}
