// SPDX-License-Identifier: Apache-2.0
/*
 * The worker's maps: taken when a generation moves, kept when what is new
 * cannot be used. A newer policy than this program understands is such a
 * case, and is said once for each file.
 */
#include "ngx_cordon_check.h"

#include <openssl/evp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>


static void ngx_cordon_take_policy(ngx_cordon_worker_t *w, ngx_log_t *log,
    ngx_uint_t missing_ok);
static void ngx_cordon_take_table(ngx_cordon_worker_t *w, ngx_log_t *log);


static u_char *
ngx_cordon_path(ngx_cordon_worker_t *w, const char *name, u_char *buf,
    size_t size)
{
    *ngx_snprintf(buf, size - 1, "%V/%s", &w->run, name) = '\0';

    return buf;
}


static void
ngx_cordon_hash(const void *data, size_t len, uint8_t ret[CD_SNAPMAP_HASH_LEN])
{
    if (!EVP_Digest(data, len, ret, NULL, EVP_sha256(), NULL)) {
        ngx_memzero(ret, CD_SNAPMAP_HASH_LEN);
    }
}


/*
 * Workers end with their master: a master that was killed cannot tell them,
 * and nobody would reload or revoke them any more. The request is not
 * inherited over fork(), so each worker makes it.
 */
static void
ngx_cordon_tie_to_master(ngx_cycle_t *cycle)
{
    if (ngx_process != NGX_PROCESS_WORKER) {
        return;
    }

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "cordon: prctl(PR_SET_PDEATHSIG) failed");
    }

    if (getppid() != ngx_parent) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, 0,
                      "cordon: the master is gone, worker exits");
        exit(2);
    }
}


/*
 * Keys of served names, passwords and sessions are in this memory. A core that
 * is piped to a program (core_pattern) is made whatever RLIMIT_CORE says, and
 * nginx allows cores when it gives up root.
 */
static void
ngx_cordon_no_core(ngx_cycle_t *cycle)
{
    if (ngx_process == NGX_PROCESS_WORKER
        && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
    {
        ngx_log_error(NGX_LOG_WARN, cycle->log, ngx_errno,
                      "cordon: prctl(PR_SET_DUMPABLE) failed");
    }
}


ngx_int_t
ngx_cordon_worker_init(ngx_cordon_worker_t *w, ngx_str_t *run, const char *pep,
    ngx_cycle_t *cycle)
{
    int     err;
    u_char  path[NGX_MAX_PATH];

    w->run = *run;
    w->pep = pep;

    ngx_cordon_tie_to_master(cycle);
    ngx_cordon_no_core(cycle);

    if (getrandom(w->random, sizeof(w->random), 0)
        != (ssize_t) sizeof(w->random))
    {
        return NGX_ERROR;
    }

    err = cd_ring_claim((char *) ngx_cordon_path(w, "shm/rings", path,
                                                 sizeof(path)),
                        (unsigned int) ngx_worker, &w->ring);
    if (err) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "cordon: no event ring in %s: %s", path,
                      cd_strerror(err));
    } else {
        w->ids.slot = (uint16_t) cd_ring_slot(w->ring);
    }

    ngx_cordon_refresh_all(w, cycle->log);

    return NGX_OK;
}


void
ngx_cordon_worker_done(ngx_cordon_worker_t *w)
{
    ngx_cordon_check_done();
    cd_ring_close(&w->ring);
    cd_snapmap_unref(&w->policy);
    cd_table_unmap(&w->table);
    cd_control_unmap_const(&w->control);
    ngx_cordon_certificates_done();
}


static void
ngx_cordon_take_policy(ngx_cordon_worker_t *w, ngx_log_t *log,
    ngx_uint_t missing_ok)
{
    int                 err;
    u_char              path[NGX_MAX_PATH];
    struct cd_snapmap  *map;

    map = NULL;

    ngx_cordon_path(w, "policy/current", path, sizeof(path));

    err = cd_snapmap_open((char *) path, ngx_cordon_hash, &map);
    if (err) {
        if (err != -ENOENT || !missing_ok) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "cordon: %s cannot be used, %s: %s", path,
                          w->policy ? "keeping the old policy"
                                    : "denying everything",
                          cd_strerror(err));
        }

        return;
    }

    cd_snapmap_unref(&w->policy);
    w->policy = map;

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "cordon: policy %uL is in force",
                  map->serial);
}


static void
ngx_cordon_take_table(ngx_cordon_worker_t *w, ngx_log_t *log)
{
    int                   err;
    u_char                path[NGX_MAX_PATH];
    void                 *seen;
    struct cd_table_map  *map;

    map = NULL;

    ngx_cordon_path(w, "shm/sessions", path, sizeof(path));

    err = cd_table_map((char *) path, &map);
    if (err) {
        if (w->table) {
            ngx_log_error(NGX_LOG_ERR, log, 0,
                          "cordon: %s cannot be used, keeping the old: %s",
                          path, cd_strerror(err));
        }

        return;
    }

    if (w->seen) {
        munmap(w->seen, w->seen_n * sizeof(uint32_t));
        w->seen = NULL;
    }

    /* pages come as sessions are used */

    w->seen_n = cd_table_map_sessions(map);

    seen = mmap(NULL, w->seen_n * sizeof(uint32_t), PROT_READ|PROT_WRITE,
                MAP_PRIVATE|MAP_ANONYMOUS|MAP_NORESERVE, -1, 0);
    if (seen != MAP_FAILED) {
        w->seen = seen;
    }

    cd_table_unmap(&w->table);
    w->table = map;
}


void
ngx_cordon_refresh(ngx_cordon_worker_t *w, ngx_log_t *log)
{
    uint64_t  gen;

    if (w->control == NULL) {
        return;
    }

    gen = cd_control_read(&w->control->policy_gen);

    if (gen != w->policy_gen) {
        w->policy_gen = gen;
        ngx_cordon_take_policy(w, log, 0);
    }

    gen = cd_control_read(&w->control->table_gen);

    if (gen != w->table_gen) {
        w->table_gen = gen;
        ngx_cordon_take_table(w, log);
    }
}


void
ngx_cordon_refresh_all(ngx_cordon_worker_t *w, ngx_log_t *log)
{
    u_char  path[NGX_MAX_PATH];

    if (w->control == NULL) {
        ngx_cordon_path(w, "shm/control", path, sizeof(path));

        if (cd_control_map((char *) path, &w->control) != 0) {
            return;
        }
    }

    ngx_cordon_refresh(w, log);

    if (w->policy == NULL) {
        ngx_cordon_take_policy(w, log, 1);
    }

    if (w->table == NULL) {
        ngx_cordon_take_table(w, log);
    }
}


ngx_uint_t
ngx_cordon_moved(ngx_cordon_worker_t *w)
{
    uint64_t  sum;

    if (w->control == NULL) {
        return 0;
    }

    /* each only grows, so their sum moves when one does */

    sum = w->policy_gen + w->table_gen
          + cd_control_read(&w->control->change_gen);

    if (sum == w->swept) {
        return 0;
    }

    w->swept = sum;

    return 1;
}


int64_t
ngx_cordon_now(void)
{
    volatile ngx_time_t  *tp;

    tp = ngx_cached_time;

    return (int64_t) tp->sec * 1000000000 + (int64_t) tp->msec * 1000000;
}


/* Instants that are kept go back with the clock, so that nothing lasts longer
 * than it should, and everything is decided again. */

int64_t
ngx_cordon_set_back(ngx_cordon_worker_t *w)
{
    int64_t     ahead, back;
    uint32_t    now;
    ngx_uint_t  i;

    ahead = ngx_cordon_now() - (int64_t) ngx_current_msec * 1000000;
    back = w->ahead - ahead;

    if (w->ahead == 0 || back < 0) {
        w->ahead = ahead;                       /* forward: time passed */
        return 0;
    }

    if (back <= NGX_CORDON_SLACK) {
        return 0;
    }

    w->ahead = ahead;
    now = (uint32_t) ngx_time();

    for (i = 0; w->seen && i < w->seen_n; i++) {
        w->seen[i] = ngx_min(w->seen[i], now);
    }

    return back;
}


/* xorshift128+: numbers of traces, unique and no secret */

void
ngx_cordon_random(ngx_cordon_worker_t *w, u_char *out, size_t len)
{
    size_t    n;
    uint64_t  a, b, sum;

    while (len) {
        a = w->random[0];
        b = w->random[1];

        w->random[0] = b;
        a ^= a << 23;
        w->random[1] = a ^ b ^ (a >> 17) ^ (b >> 26);

        sum = w->random[1] + b;
        n = ngx_min(len, sizeof(sum));

        ngx_memcpy(out, &sum, n);
        out += n;
        len -= n;
    }
}
