#!/bin/sh
# 服务在运行吗
pgrep -x nginx > /dev/null
