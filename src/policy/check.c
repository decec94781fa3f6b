// SPDX-License-Identifier: Apache-2.0
/*
 * The checker: what the grammar cannot say. Each check stands for itself and
 * reports all it finds, so that one run shows everything; those that walk
 * references (circles, rules) are safe on a policy whose references failed.
 */
#include "policy/checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

cd_printf(4, 0) static void message(struct cd_checker *c,
				    enum cd_severity severity,
				    struct cd_ast_span span, const char *fmt,
				    va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	cd_ast_diag(c->policy, c->diag, severity, span, "%s", text);
}

__attribute__((format(printf, 3, 4))) void
cd_check_error(struct cd_checker *c, struct cd_ast_span span, const char *fmt,
	       ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(c, CD_ERROR, span, fmt, ap);
	va_end(ap);
	c->errors++;
}

__attribute__((format(printf, 3, 4))) void
cd_check_warning(struct cd_checker *c, struct cd_ast_span span, const char *fmt,
		 ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(c, CD_WARNING, span, fmt, ap);
	va_end(ap);
}

static int checker_init(struct cd_checker *c, const struct cd_policy *policy,
			struct cd_diag *diag)
{
	uint32_t most = 0;

	*c = (struct cd_checker){.policy = policy, .diag = diag};
	for (int k = 0; k < CD_AST_KINDS; k++) {
		most = CD_MAX(most, policy->n_of_kind[k]);
		c->used[k] = cd_calloc(policy->n_of_kind[k], 1);
		if (!c->used[k])
			return -ENOMEM;
	}
	c->visited = cd_calloc(most, 1);
	c->atoms =
		cd_calloc(policy->n_of_kind[CD_AST_POSTURE], sizeof(*c->atoms));
	c->opened = cd_calloc(CD_MAX(policy->n_of_kind[CD_AST_APP], 1u),
			      sizeof(struct cd_ast_rule *));
	return c->visited && c->atoms && c->opened ? 0 : -ENOMEM;
}

static void checker_done(struct cd_checker *c)
{
	for (int k = 0; k < CD_AST_KINDS; k++)
		free(c->used[k]);
	free(c->visited);
	free(c->atoms);
	free((void *)c->opened);
}

int cd_policy_check(const struct cd_policy *policy,
		    const struct cd_loader *loader, struct cd_diag *diag)
{
	struct cd_checker c;
	int err = checker_init(&c, policy, diag);

	c.now = loader ? loader->now : 0;
	c.unproved = loader && loader->unproved;
	if (!err)
		err = cd_check_sets(&c);
	if (!err) {
		cd_check_names(&c);
		if (!c.circular)
			cd_check_rules(&c);
		/* Behind an error, what is unused may be a misspelt name. */
		if (!c.errors) {
			cd_check_unused(&c);
			cd_check_enforced(&c);
		}
		err = c.errors ? CD_E_CHECK : 0;
	}
	checker_done(&c);
	return err;
}
