/* In: a port on this machine. Out: another port that leads there, until it is told to cut. */
#ifndef CUT_PROXY_H
#define CUT_PROXY_H

#include <stdint.h>

struct cut_proxy;
struct cut_proxy *cut_proxy_start(uint16_t to_port); /* a process of its own */
void cut_proxy_stop(struct cut_proxy *p);
uint16_t cut_proxy_port(const struct cut_proxy *p);

/* Each returns when it is in force. */
void cut_proxy_swallow(struct cut_proxy *p);   /* what the server says no longer arrives */
void cut_proxy_wait_lost(struct cut_proxy *p); /* until it is */
void cut_proxy_lose_one(struct cut_proxy *p);  /* the next answer; what follows it arrives */
void cut_proxy_wait_lost(struct cut_proxy *p); /* until it is */
void cut_proxy_cut(struct cut_proxy *p);       /* all connections end; new ones work again */

#endif
