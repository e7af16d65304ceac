// SPDX-License-Identifier: Apache-2.0
import Compiler
import Glibc
import Host
import Inventory
import Logging
import Synchronization

/// Runs the sources of workloads, each on a thread of its own, and keeps what they tell: in a file, for all commands.
final class WorkloadHub: Sendable {
    private struct State {
        var list: WorkloadList
        var isNew = false
        /// By source, so that the same is not said again and again.
        var failures: [String: String] = [:]
        /// What was said of single workloads.
        var warnings: Set<String> = []
    }

    /// Of the words that are remembered so that they are not said again.
    private static let mostWarnings = 1000

    private let sources: [any WorkloadSource]
    private let file: WorkloadFile
    private let logger: Logger
    private let wakeUp: WakeUp
    private let state: Mutex<State>

    /// Begins with what the agent before knew: until a source says otherwise, it holds.
    init(_ sources: [any WorkloadSource], instance: String, logger: Logger, wakeUp: WakeUp) {
        self.sources = sources
        self.logger = logger
        self.wakeUp = wakeUp
        file = WorkloadFile(instance: instance)
        var list = file.read() ?? WorkloadList()
        list.keep(sources: Set(sources.map(\.name)))
        state = Mutex(State(list: list))
        for case let source as WorkloadFileSource in sources { source.tell(teller(source.name)) }
        state.withLock { keep($0.list) }
    }

    /// Starts the sources.
    func start() {
        for source in sources {
            let thread = SideThread { [self] in source.follow(teller(source.name)) }
            if thread == nil { logger.critical("the kernel gave no thread for \(source.name); it is not followed") }
        }
    }

    /// Whether anything changed since this was asked before.
    func takeNews() -> Bool {
        state.withLock { state in
            defer { state.isNew = false }
            return state.isNew
        }
    }

    private func teller(_ name: String) -> WorkloadTeller {
        WorkloadTeller(
            tell: { [self] update in
                let (isBack, isNew) = state.withLock { state in
                    let isBack = state.failures.removeValue(forKey: name) != nil
                    guard state.list.take(update, from: name) else { return (isBack, false) }
                    state.isNew = true
                    keep(state.list)
                    return (isBack, true)
                }
                if isBack { logger.notice("\(name) answers again") }
                if isNew { wakeUp.wake() }
            },
            fail: { [self] words in
                let isNew = state.withLock { $0.failures.updateValue(words, forKey: name) != words }
                if isNew { logger.warning("\(words)") }
            },
            warn: { [self] words in
                let isNew = state.withLock { state in
                    if state.warnings.count >= Self.mostWarnings { state.warnings = [] }
                    return state.warnings.insert(words).inserted
                }
                if isNew { logger.warning("\(words)") }
            })
    }

    private func keep(_ list: WorkloadList) {
        do {
            try file.write(list)
        } catch {
            logger.error("what is known of workloads cannot be kept in \(file.path): \(error)")
        }
    }
}
