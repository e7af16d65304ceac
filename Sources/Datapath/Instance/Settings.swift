// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Host

extension bh_settings {
    /// The settings of an instance's programs.
    package init(_ state: InstanceState) {
        self.init(
            ticks_per_second: KernelClock.ticksPerSecond, answer_mark: state.answerMark,
            answer_cost: UInt32(BH_ANSWER_COST), answers_all: 0, flow_secret: state.flowSecret,
            simulates: 0, reads_kernel: KernelReading.obstacle == nil ? 1 : 0,
            casts_context: KernelFunctions.castsContext, answer_blocks: AnswerTable.blocks)
    }

    /// The settings of programs that are not attached: the same in every run, with no limit on answers, without the
    /// front, and with the time that the controller sets.
    package static let simulated = bh_settings(
        ticks_per_second: KernelClock.ticksPerSecond, answer_mark: .max, answer_cost: 0, answers_all: 1,
        flow_secret: (0, 0), simulates: 1, reads_kernel: 0, casts_context: KernelFunctions.castsContext,
        answer_blocks: 0)
}
