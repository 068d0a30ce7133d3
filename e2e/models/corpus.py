"""The text that the tokenizer and the word statistics of the small models are made from."""

from __future__ import annotations

from typing import Final

# One document a line. A document ends where the model may stop, so their length sets the length of
# the answers: about 120 tokens here.
DOCUMENTS: Final = (
    (
        "A fleet serves many models, and every model has a name that people know. The router reads the "
        "name, looks for a pool that can answer, and sends the request there. When a pool is slow, the "
        "router waits for a while, and then it tries the next pool in the list."
    ),
    (
        "Latency is what a person feels. The first word of an answer should come soon, and the words "
        "after it should come at the pace of reading. A slow first word is worse than a slow last word, "
        "because the person does not know that anything is coming at all."
    ),
    (
        "The large model thinks longer and answers better. The small model answers at once. A question "
        "that is short and plain can go to the small model, and a question that is long and hard should "
        "go to the large model. The price of an answer is the price of its tokens."
    ),
    (
        "A draft model guesses the next few words, and the target model checks the guesses in one step. "
        "When the guesses are right, the answer comes sooner. When the guesses are wrong, the work is "
        "lost, and the answer comes at the pace that it would have had without a draft."
    ),
    (
        "The operator watches the fleet. It sees that an objective is missed, it asks what the other "
        "pools can take, and it moves a share of the traffic. Later it gives the share back, step by "
        "step, and it watches at every step whether the answers are still in time."
    ),
    (
        "An error budget is a promise with room in it. Most answers are in time, and a few may be late. "
        "When the few become many, the budget burns, and somebody or something has to act before it is "
        "gone. When nothing is known, the right act is to hold still."
    ),
    (
        "A cache remembers what the model has read. When two people start with the same words, the "
        "second one does not pay for them again. To keep the cache warm, a conversation stays with the "
        "pool that it began with, even when other conversations move."
    ),
    (
        "The cluster starts a pod, the pod reads the weights, and the engine says that it is ready. Then "
        "the first request comes. When the pod has to stop, it takes no new requests, it finishes the "
        "answers that it has begun, and only then it goes away."
    ),
    (
        "Tell me a story about the sea. The sea was calm, and the boat was small. The people in the boat "
        "were tired, but they were not afraid, because they could see the light of the harbour. In the "
        "morning they came home, and they told the story to everybody who asked."
    ),
    (
        "Write a short note to the team. The work of this week went well. The new pool is ready, the old "
        "pool is gone, and nobody noticed the change. Next week we will look at the price of long "
        "answers and at the time of the first word. Thank you all for the good work."
    ),
    (
        "How do I cook rice? Wash the rice until the water is clear. Take two cups of water for one cup "
        "of rice. Let the water come to the boil, add the rice and a little salt, and close the pot. "
        "After a quarter of an hour the rice is done. Let it rest for a while before you eat."
    ),
    (
        "What is the weather like? In the morning there is rain, and in the evening there is sun. The "
        "wind comes from the west. Tomorrow will be warm and dry, and the day after will be cold again. "
        "Take a coat with you when you go out, and leave it at home when you stay in."
    ),
)
