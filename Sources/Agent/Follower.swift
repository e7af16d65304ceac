// SPDX-License-Identifier: Apache-2.0
import CHeap
import Compiler
import Control
import Host
import Inventory
import Logging
import ServiceLifecycle
import Synchronization

/// The service that keeps ports as the policy in force means them, while devices come and go. It works on a thread of
/// its own, because it blocks, and because a thread enters a network namespace, not a task.
package final class Follower: Service {
    private struct Requests {
        var isEnding = false
        var reloads = 0
    }

    private let controller: Controller
    private let instance: String
    private let policy: String
    private let logger: Logger
    private let wakeUp: WakeUp
    private let workloads: WorkloadHub
    private let board: AgentBoard
    private let requests = Mutex(Requests())

    /// - Parameters:
    ///   - policy: The file that is read when nothing is in force, and at each reload.
    ///   - sources: Who knows workloads.
    ///   - board: Where its figures go.
    init(
        instance: String, policy: String, sources: [any WorkloadSource], logger: Logger, board: AgentBoard
    ) throws {
        self.board = board
        controller = try Controller(instance: instance)
        self.instance = instance
        self.policy = policy
        self.logger = logger
        wakeUp = try WakeUp()
        workloads = WorkloadHub(sources, instance: instance, logger: logger, wakeUp: wakeUp)
    }

    /// Reads the policy's file again, and puts it in force.
    package func reload() {
        requests.withLock { $0.reloads += 1 }
        wakeUp.wake()
    }

    private func end() {
        requests.withLock { $0.isEnding = true }
        wakeUp.wake()
    }

    package func run() async throws {
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await withCheckedContinuation { continuation in
                    let thread = SideThread { [self] in
                        follow()
                        continuation.resume()
                    }
                    guard thread == nil else { return }
                    logger.critical("the kernel gave no thread; nothing is followed")
                    continuation.resume()
                }
            } onGracefulShutdown: {
                self.end()
            }
        } onCancel: {
            self.end()
        }
    }

    /// The thread.
    private func follow() {
        let events = DeviceEvents(table: "bulkhead-\(instance)", wakeUp: wakeUp)
        var watch = HostWatch(
            controller: controller, events: events, workloads: workloads, logger: logger, board: board)
        watch.begin(policy)
        workloads.start()
        ServiceManager.ready(watch.summary)
        logger.notice("\(watch.summary)")
        while true {
            watch.wait()
            let (isEnding, isReloading) = requests.withLock { requests in
                defer { requests.reloads = 0 }
                return (requests.isEnding, requests.reloads > 0)
            }
            if isEnding { break }
            if isReloading {
                ServiceManager.reloading()
                watch.load(policy, because: "at a reload of the agent")
                ServiceManager.ready(watch.summary)
            }
            if watch.look() { ServiceManager.status(watch.summary) }
        }
        ServiceManager.stopping()
        logger.notice("the agent ends; what is in force stays in force")
    }
}
