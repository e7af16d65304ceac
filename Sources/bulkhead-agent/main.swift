// SPDX-License-Identifier: Apache-2.0
import Agent
import CHeap

bulkhead_prepare_service_heap()
await BulkheadAgent.start()
