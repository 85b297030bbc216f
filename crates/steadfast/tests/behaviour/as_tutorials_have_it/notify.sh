#!/bin/sh
# 记录状态切换
echo "$(date '+%F %T') $1" >> /run/notified
